"""Memory for packs being filled, used again: touching fresh pages costs as much as all hashing and copying."""

from __future__ import annotations

import threading

from vfs.content.limits import PACK_MAX


class Buffers:
    """Byte arrays of at least 64 MiB, at most `limit` of them kept. Thread-safe: `_lock` guards the free ones.

    A new one takes no memory until it is written to, so a small pack costs what it holds.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._free: list[bytearray] = []

    def take(self, size: int) -> bytearray:
        """A buffer of at least `size` bytes, with whatever was in it."""
        with self._lock:
            if self._free and size <= PACK_MAX:
                return self._free.pop()
        return bytearray(max(size, PACK_MAX))

    def give(self, buffer: bytearray) -> None:
        """Give back a buffer that nobody looks at any more."""
        with self._lock:
            if len(self._free) < self._limit and len(buffer) == PACK_MAX:
                self._free.append(buffer)

    def clear(self) -> None:
        """Return the memory of all free buffers to the system."""
        with self._lock:
            self._free.clear()
