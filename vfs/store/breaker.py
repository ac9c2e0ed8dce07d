"""A store that is out of reach fails at once: after one operation has waited its whole deadline, no other does.

Meanwhile one thread tries the store in the background; as soon as it answers, everything goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from vfs.errors import StoreError, StoreThrottled, StoreTimeout
from vfs.store.marker import MARKER_KEY
from vfs.store.protocol import ObjectInfo, Store

R = TypeVar("R")

# Seconds between two tries of a store that is out of reach; a try itself takes up to the store's own deadline.
PROBE_SECONDS = 1.0


class BreakerStore:
    """Passes calls on to `inner` until one ends in StoreTimeout, then refuses them until `inner` answers again.

    A service that throttles is there: StoreThrottled does not break. `_lock` guards `_cause` and `_probe`.
    """

    def __init__(self, inner: Store, *, said: Callable[[str], None], wait: float = PROBE_SECONDS) -> None:
        """`said` gets a line when the store is lost and when it is back. Closing this closes `inner`."""
        self.inner = inner
        self.url = inner.url
        self._said = said
        self._wait = wait
        self._lock = threading.Lock()
        self._cause = ""
        self._since = 0.0
        self._closed = threading.Event()

    @property
    def broken(self) -> str:
        """Why calls are refused; empty while they are not."""
        return self._cause

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """See `Store.get`."""
        return self._call(key, lambda: self.inner.get(key, start=start, length=length))

    def get_version(self, key: str) -> tuple[bytes, str]:
        """See `Store.get_version`."""
        return self._call(key, lambda: self.inner.get_version(key))

    def put(self, key: str, data: bytes | bytearray | memoryview) -> None:
        """See `Store.put`."""
        self._call(key, lambda: self.inner.put(key, data))

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        """See `Store.swap`."""
        return self._call(key, lambda: self.inner.swap(key, data, expected=expected))

    def remove(self, key: str, *, expected: str) -> None:
        """See `Store.remove`."""
        self._call(key, lambda: self.inner.remove(key, expected=expected))

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        self._call(key, lambda: self.inner.delete(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Store.list`."""
        objects = self.inner.list(prefix)
        while (found := self._call(prefix, lambda: next(objects, None))) is not None:
            yield found

    def list_names(self, prefix: str) -> Iterator[str]:
        """See `Store.list_names`."""
        names = self.inner.list_names(prefix)
        while (found := self._call(prefix, lambda: next(names, None))) is not None:
            yield found

    def close(self) -> None:
        """See `Store.close`."""
        self._closed.set()
        self.inner.close()

    def _call(self, key: str, call: Callable[[], R]) -> R:
        if self._cause:
            seconds = time.monotonic() - self._since
            raise StoreTimeout(f"{self.url}: {key}: out of reach for {seconds:.0f} s: {self._cause}")
        try:
            return call()
        except StoreThrottled:
            raise
        except StoreTimeout as error:
            self._break(str(error))
            raise

    def _break(self, cause: str) -> None:
        with self._lock:
            if self._cause or self._closed.is_set():
                return
            self._cause, self._since = cause, time.monotonic()
        self._said(f"store out of reach, what is cached stays readable: {cause}")
        threading.Thread(target=self._probe, name="store-probe", daemon=True).start()

    def _probe(self) -> None:
        while not self._closed.wait(self._wait):
            try:
                self.inner.get(MARKER_KEY, length=1)
            except StoreThrottled:
                break
            except StoreTimeout as error:
                self._cause = str(error)
                continue
            except StoreError:
                break  # it answers, if only to refuse
            break
        seconds, self._cause = time.monotonic() - self._since, ""
        if not self._closed.is_set():
            self._said(f"store back after {seconds:.0f} s")
