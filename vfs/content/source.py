"""Where the bytes of packs come from: a local cache when there is one, else the store."""

from __future__ import annotations

from typing import Protocol

from vfs.content.codec import RAW
from vfs.content.limits import KIB
from vfs.content.pack import pack_key
from vfs.model.entry import BlobRef
from vfs.store.local import local_store
from vfs.store.protocol import Store

# From this size on a read of its own, some 10 µs, is cheaper than a copy out of a larger one.
ALONE = 256 * KIB
RAW_CODEC = bytes((RAW,))


class PackCache(Protocol):
    """Pieces of packs on local disk. Never raises: what it cannot do it leaves."""

    def get(self, pack: bytes, offset: int, length: int) -> bytes | memoryview | None:
        """`length` bytes at `offset` of a pack; None when they are not all there."""

    def put(self, pack: bytes, offset: int, data: bytes | memoryview) -> None:
        """Keep `data`."""

    def drop(self, pack: bytes, offset: int, length: int) -> None:
        """Forget a range."""


class PackSource:
    """Ranges of packs. Thread-safe as the store and the cache are.

    What is in the cache is checked like everything else when it is used: neighbours that nobody asked for may be
    kept there unchecked.
    """

    def __init__(self, store: Store, cache: PackCache | None) -> None:
        self._store = store
        self._cache = cache
        self._local = local_store(store)

    def near(self, pack: bytes, start: int, length: int) -> bytes | memoryview | None:
        """The range if it lies on local disk, in the store or in the cache; shorter when the pack is. StoreError."""
        if self._local is None:
            return self.cached(pack, start, length)
        return self._store.get(pack_key(pack), start=start, length=length)

    def at_once(self, pack: bytes, start: int, length: int) -> memoryview | None:
        """The range if it lies in the kernel's memory or is there while the store lingers."""
        return None if self._local is None else self._local.get_now(pack_key(pack), start, length)

    def plain(self, ref: BlobRef) -> bytes | None:
        """The raw bytes of a large blob of a local store that is stored as it is; None for any other.

        They are read without their codec byte, so into a buffer that holds nothing else and needs no copy.
        """
        if self._local is None or ref.stored != ref.length + 1 or ref.length < ALONE:
            return None
        raw = self._store.get(pack_key(ref.pack), start=ref.offset + 1, length=ref.length)
        # Whoever reads the blob as a whole must find it sound, too.
        codec = self._local.get(pack_key(ref.pack), start=ref.offset, length=1)
        return raw if codec == RAW_CODEC else None

    def cached(self, pack: bytes, start: int, length: int) -> bytes | memoryview | None:
        """The range if the cache has all of it."""
        return self._cache.get(pack, start, length) if self._cache is not None else None

    def fetch(self, pack: bytes, start: int, length: int, *, around: int = 0) -> bytes | memoryview:
        """The range from the store; shorter when the pack is. ObjectMissing when there is none.

        With a cache, up to `around` bytes on either side are fetched too, for whoever asks for them next.
        """
        if self._cache is None or not around:
            return self._store.get(pack_key(pack), start=start, length=length)
        first = max(start - around, 0)
        data = self._store.get(pack_key(pack), start=first, length=start - first + length + around)
        self._cache.put(pack, first, data)
        return memoryview(data)[start - first : start - first + length]

    def keep(self, pack: bytes, start: int, data: bytes | memoryview) -> None:
        """Cache a range whose blobs are all right."""
        if self._cache is not None:
            self._cache.put(pack, start, data)

    def drop(self, pack: bytes, start: int, length: int) -> None:
        """Forget a cached range that is not what the store holds."""
        if self._cache is not None:
            self._cache.drop(pack, start, length)
