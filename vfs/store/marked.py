"""A store far away whose marker is read while the first requests are under way: one round trip less to wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from vfs.errors import StoreError
from vfs.store.compared import ComparedStore
from vfs.store.marker import Marker, read_marker
from vfs.store.protocol import ObjectInfo, Store

R = TypeVar("R")


class MarkedStore:
    """`inner`, which gives no answer before its marker is known and does no write before it. Thread-safe.

    What is wrong with the marker (StoreMissing, StoreFormat, …) is raised by every call, before any error of its own.
    """

    def __init__(self, inner: Store, marker: Marker | None = None) -> None:
        """`marker`: what it says, when that is known already. Closing this closes `inner`."""
        self.inner = inner
        self.url = inner.url
        self._found: Future[Marker] = Future()
        if marker is not None:
            self._found.set_result(marker)
        else:
            threading.Thread(target=self._find, name="store-marker", daemon=True).start()

    @property
    def marker(self) -> Marker:
        """The marker; waits for it."""
        return self._found.result()

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """See `Store.get`."""
        return self._read(lambda: self.inner.get(key, start=start, length=length))

    def get_version(self, key: str) -> tuple[bytes, str]:
        """See `Store.get_version`."""
        return self._read(lambda: self.inner.get_version(key))

    def put(self, key: str, data: bytes | bytearray | memoryview) -> None:
        """See `Store.put`."""
        self._checked.put(key, data)

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        """See `Store.swap`."""
        return self._checked.swap(key, data, expected=expected)

    def remove(self, key: str, *, expected: str) -> None:
        """See `Store.remove`."""
        self._checked.remove(key, expected=expected)

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        self._checked.delete(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Store.list`."""
        objects = self.inner.list(prefix)
        while (found := self._read(lambda: next(objects, None))) is not None:
            yield found

    def list_names(self, prefix: str) -> Iterator[str]:
        """See `Store.list_names`."""
        names = self.inner.list_names(prefix)
        while (found := self._read(lambda: next(names, None))) is not None:
            yield found

    def close(self) -> None:
        """See `Store.close`."""
        self.inner.close()

    @property
    def _checked(self) -> Store:
        return ComparedStore(self.inner) if self.marker.unsafe else self.inner

    def _read(self, call: Callable[[], R]) -> R:
        try:
            result = call()
        except StoreError:
            self._found.result()
            raise
        self._found.result()
        return result

    def _find(self) -> None:
        try:
            self._found.set_result(read_marker(self.inner))
        except BaseException as error:
            self._found.set_exception(error)


def marker_of(store: Store) -> Marker:
    """The marker of an open store, asked for only when it is not known."""
    return store.marker if isinstance(store, MarkedStore) else read_marker(store)
