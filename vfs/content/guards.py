"""Guards: what lets a part of a chunk be checked without the rest, once the whole was verified.

A guard is the xxh3-64 of one block of a chunk's raw bytes, seeded with a number that nobody outside this process
knows. Guards are made of bytes that hash to their digest and are never written anywhere: so a block that
fits its guard is a part of the chunk of that digest.
"""

from __future__ import annotations

import os
from array import array

import xxhash

from vfs.content.limits import MIB
from vfs.content.lru import ByteLRU
from vfs.model.entry import BlobRef

# What one guard covers, and so the least that is read: 64 KiB take 70 µs longer from an SSD, 4 KiB 15 µs less.
BLOCK = 16 * 1024
# Guards of some 40 GB of content.
MEMORY = 32 * MIB
# Bytes of Python objects around the guards of one chunk.
_OVERHEAD = 330


class Guards:
    """The guards of chunks that were verified, by digest; those used longest ago go first. Thread-safe."""

    def __init__(self, *, memory: int = MEMORY) -> None:
        """`memory`: bytes that they may take; 0 keeps none."""
        self._memory = memory
        self._kept: ByteLRU[bytes, array[int]] = ByteLRU(memory)
        self._seed = int.from_bytes(os.urandom(8), "little")

    def learn(self, ref: BlobRef, raw: bytes) -> None:
        """Remember the guards of a chunk whose raw bytes hash to its digest."""
        if self._memory and self._kept.get(_key(ref)) is None:
            guards = self._of(memoryview(raw))
            self._kept.put(_key(ref), guards, len(guards) * guards.itemsize + _OVERHEAD)

    def block(self, ref: BlobRef, skip: int, length: int) -> tuple[int, int] | None:
        """The range (start, length) of raw bytes to read for a part of a chunk; None when it cannot be checked."""
        if self._kept.get(_key(ref)) is None:
            return None
        start = skip // BLOCK * BLOCK
        return start, min(-(-(skip + length) // BLOCK) * BLOCK, ref.length) - start

    def sound(self, ref: BlobRef, start: int, data: bytes | memoryview) -> bool:
        """Whether `data`, whole blocks from `start` of a chunk, are what was verified."""
        guards = self._kept.get(_key(ref))
        found = self._of(memoryview(data))
        return guards is not None and guards[start // BLOCK : start // BLOCK + len(found)] == found

    def _of(self, raw: memoryview) -> array[int]:
        blocks = (raw[at : at + BLOCK] for at in range(0, len(raw), BLOCK))
        return array("Q", [xxhash.xxh3_64_intdigest(block, self._seed) for block in blocks])


def _key(ref: BlobRef) -> bytes:
    # With the length, which a reference from a damaged list may have wrong: then nothing is known of it.
    return ref.digest + ref.length.to_bytes(4, "little")


def is_plain(ref: BlobRef) -> bool:
    """True for a chunk stored as it is: one codec byte, then the raw bytes. Compressed, it would be shorter."""
    return ref.stored == ref.length + 1
