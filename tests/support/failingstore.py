"""A store of which one call fails: the Nth, before it does anything or after it has done all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from vfs.errors import StoreTimeout
from vfs.store.protocol import ObjectInfo, Store

R = TypeVar("R")


class FailingStore:
    """Passes calls on to `inner`. Call number `fail_at` (from 1; 0: none) ends in StoreTimeout.

    `after`: what was asked is done all the same, and only the answer is lost.
    """

    def __init__(self, inner: Store, *, fail_at: int = 0, after: bool = False) -> None:
        self.inner = inner
        self.url = inner.url
        self.calls: list[str] = []
        self._fail_at = fail_at
        self._after = after

    @property
    def failed(self) -> bool:
        """Whether the call that was to fail has been made."""
        return 0 < self._fail_at <= len(self.calls)

    def fail(self, at: int, *, after: bool = False) -> None:
        """From now on count anew, and fail this call."""
        self.calls.clear()
        self._fail_at, self._after = at, after

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        return self._call(f"get {key}", lambda: self.inner.get(key, start=start, length=length))

    def get_version(self, key: str) -> tuple[bytes, str]:
        return self._call(f"get_version {key}", lambda: self.inner.get_version(key))

    def put(self, key: str, data: bytes | bytearray | memoryview) -> None:
        self._call(f"put {key}", lambda: self.inner.put(key, data))

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        return self._call(f"swap {key}", lambda: self.inner.swap(key, data, expected=expected))

    def remove(self, key: str, *, expected: str) -> None:
        self._call(f"remove {key}", lambda: self.inner.remove(key, expected=expected))

    def delete(self, key: str) -> None:
        self._call(f"delete {key}", lambda: self.inner.delete(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        yield from self._call(f"list {prefix}", lambda: list(self.inner.list(prefix)))

    def list_names(self, prefix: str) -> Iterator[str]:
        yield from self._call(f"list_names {prefix}", lambda: list(self.inner.list_names(prefix)))

    def close(self) -> None:
        self.inner.close()

    def _call(self, what: str, call: Callable[[], R]) -> R:
        self.calls.append(what)
        if len(self.calls) != self._fail_at:
            return call()
        if self._after:
            call()
        raise StoreTimeout(f"{what}: call {self._fail_at} fails as planned")
