"""A store that counts: calls, errors, bytes and time of the store below it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from vfs.errors import VfsError
from vfs.metrics import names
from vfs.metrics.counters import Registry
from vfs.store.protocol import ObjectInfo, Store

R = TypeVar("R")


class MeasuredStore:
    """Passes every call on to `inner` and counts it in a registry. Adds no state and no error of its own."""

    def __init__(self, inner: Store, registry: Registry) -> None:
        """Closing this closes `inner`."""
        self.inner = inner
        self.url = inner.url
        self._registry = registry
        self._read = registry.counter(names.STORE_BYTES, "read")
        self._written = registry.counter(names.STORE_BYTES, "written")

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """See `Store.get`."""
        data = self._measure("get", lambda: self.inner.get(key, start=start, length=length))
        self._read.add(len(data))
        return data

    def get_version(self, key: str) -> tuple[bytes, str]:
        """See `Store.get_version`."""
        data, version = self._measure("get", lambda: self.inner.get_version(key))
        self._read.add(len(data))
        return data, version

    def put(self, key: str, data: bytes | bytearray | memoryview) -> None:
        """See `Store.put`."""
        self._measure("put", lambda: self.inner.put(key, data))
        self._written.add(len(data))

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        """See `Store.swap`."""
        version = self._measure("swap", lambda: self.inner.swap(key, data, expected=expected))
        self._written.add(len(data))
        return version

    def remove(self, key: str, *, expected: str) -> None:
        """See `Store.remove`."""
        self._measure("remove", lambda: self.inner.remove(key, expected=expected))

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        self._measure("delete", lambda: self.inner.delete(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Store.list`. The time counted is that of the first object: the rest is the caller's pace."""
        objects = self.inner.list(prefix)
        first = self._measure("list", lambda: next(objects, None))
        if first is not None:
            yield first
            yield from objects

    def list_names(self, prefix: str) -> Iterator[str]:
        """See `Store.list_names`. The time counted is that of the first name."""
        names = self.inner.list_names(prefix)
        first = self._measure("list", lambda: next(names, None))
        if first is not None:
            yield first
            yield from names

    def close(self) -> None:
        """See `Store.close`."""
        self.inner.close()

    def _measure(self, operation: str, call: Callable[[], R]) -> R:
        started = time.monotonic()
        try:
            return call()
        except VfsError as error:
            self._registry.counter(names.STORE_ERRORS, operation, error.wire).add()
            raise
        finally:
            self._registry.counter(names.STORE_REQUESTS, operation).add()
            self._registry.histogram(names.STORE_SECONDS, operation).observe(time.monotonic() - started)
