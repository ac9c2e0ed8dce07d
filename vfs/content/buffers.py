"""Memory for packs being filled, used again: touching fresh pages costs as much as all hashing and copying."""

from __future__ import annotations

import mmap
import threading

from vfs.content.limits import PACK_MAX


class Buffers:
    """Buffers of at least 64 MiB, at most `limit` of them kept. Thread-safe: `_lock` guards the free ones.

    They are anonymous maps: a page of one takes memory when it is first written to, so a small pack
    costs what it holds.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._free: list[mmap.mmap] = []

    def take(self, size: int) -> mmap.mmap:
        """A buffer of at least `size` bytes, with whatever was in it."""
        with self._lock:
            if self._free and size <= PACK_MAX:
                return self._free.pop()
        return mmap.mmap(-1, max(size, PACK_MAX))

    def give(self, buffer: mmap.mmap) -> None:
        """Give back a buffer that nobody looks at any more."""
        with self._lock:
            if len(self._free) < self._limit and len(buffer) == PACK_MAX:
                self._free.append(buffer)

    def clear(self) -> None:
        """Return the memory of all free buffers to the system."""
        with self._lock:
            self._free.clear()
