"""Where the bytes of packs come from: a local cache when there is one, else the store."""

from __future__ import annotations

from typing import Protocol

from vfs.content.pack import pack_key
from vfs.store.protocol import Store


class PackCache(Protocol):
    """Pieces of packs on local disk. Never raises: what it cannot do it leaves."""

    def get(self, pack: bytes, offset: int, length: int) -> bytes | None:
        """`length` bytes at `offset` of a pack; None when they are not all there."""

    def put(self, pack: bytes, offset: int, data: bytes | memoryview) -> None:
        """Keep `data`."""

    def drop(self, pack: bytes, offset: int, length: int) -> None:
        """Forget a range."""


class PackSource:
    """Ranges of packs. Thread-safe as the store and the cache are.

    Invariant: only what its reader found to be right is given to the cache (see `keep`).
    """

    def __init__(self, store: Store, cache: PackCache | None) -> None:
        self._store = store
        self._cache = cache

    def cached(self, pack: bytes, start: int, length: int) -> bytes | None:
        """The range if the cache has all of it."""
        return self._cache.get(pack, start, length) if self._cache is not None else None

    def fetch(self, pack: bytes, start: int, length: int) -> bytes:
        """The range from the store; shorter when the pack is. ObjectMissing when there is none."""
        return self._store.get(pack_key(pack), start=start, length=length)

    def keep(self, pack: bytes, start: int, data: bytes) -> None:
        """Cache a range whose blobs are all right."""
        if self._cache is not None:
            self._cache.put(pack, start, data)

    def drop(self, pack: bytes, start: int, length: int) -> None:
        """Forget a cached range that is not what the store holds."""
        if self._cache is not None:
            self._cache.drop(pack, start, length)
