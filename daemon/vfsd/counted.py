"""A cache that counts how often it helped."""

from __future__ import annotations

from vfs.content.source import PackCache
from vfs.metrics.counters import Registry
from vfs.metrics.names import CACHE_DROPS, CACHE_HITS, CACHE_MISSES


class CountedCache:
    """Passes everything on to `inner`, and counts hits, misses and dropped ranges."""

    def __init__(self, inner: PackCache, counters: Registry) -> None:
        self._inner = inner
        self._hits = counters.counter(CACHE_HITS)
        self._misses = counters.counter(CACHE_MISSES)
        self._drops = counters.counter(CACHE_DROPS)

    def get(self, pack: bytes, offset: int, length: int) -> bytes | memoryview | None:
        """See `PackCache.get`."""
        found = self._inner.get(pack, offset, length)
        (self._misses if found is None else self._hits).add()
        return found

    def put(self, pack: bytes, offset: int, data: bytes | memoryview) -> None:
        """See `PackCache.put`."""
        self._inner.put(pack, offset, data)

    def drop(self, pack: bytes, offset: int, length: int) -> None:
        """See `PackCache.drop`."""
        self._drops.add()
        self._inner.drop(pack, offset, length)
