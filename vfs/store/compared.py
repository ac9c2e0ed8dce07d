"""Refs on a service without conditional writes: read, compared, then written."""

from __future__ import annotations

from collections.abc import Iterator

from vfs.errors import Conflict, ObjectMissing
from vfs.store.protocol import ObjectInfo, Store


class ComparedStore:
    """`inner` with refs that move by reading, comparing and writing. Adds no state; thread-safe as `inner` is.

    Not safe: a writer that comes between the comparison and the write, some milliseconds, is overwritten. One that is
    still there when the write is read back is told of as a Conflict. Everything that is no ref is as in `inner`.
    """

    def __init__(self, inner: Store) -> None:
        """Closing this closes `inner`."""
        self.inner = inner
        self.url = inner.url

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """See `Store.get`."""
        return self.inner.get(key, start=start, length=length)

    def get_version(self, key: str) -> tuple[bytes, str]:
        """See `Store.get_version`."""
        return self.inner.get_version(key)

    def put(self, key: str, data: bytes | bytearray | memoryview) -> None:
        """See `Store.put`."""
        self.inner.put(key, data)

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        """See `Store.swap`, and what is said of this class."""
        self._compare(key, expected)
        self.inner.put(key, data)
        found, version = self.inner.get_version(key)
        if found != data:
            raise self._lost(key)
        return version

    def remove(self, key: str, *, expected: str) -> None:
        """See `Store.remove`, and what is said of this class."""
        self._compare(key, expected)
        self.inner.delete(key)

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        self.inner.delete(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Store.list`."""
        return self.inner.list(prefix)

    def list_names(self, prefix: str) -> Iterator[str]:
        """See `Store.list_names`."""
        return self.inner.list_names(prefix)

    def close(self) -> None:
        """See `Store.close`."""
        self.inner.close()

    def _compare(self, key: str, expected: str | None) -> None:
        try:
            version = self.inner.get_version(key)[1]
        except ObjectMissing:
            version = None
        if version != expected:
            raise self._lost(key)

    def _lost(self, key: str) -> Conflict:
        return Conflict(f"{self.url}: {key}: another writer was first")
