"""Guards: what lets a part of a chunk be checked without the rest, once the whole was verified.

A guard is the xxh3-64 of one block of a chunk's raw bytes, or of all of them, seeded with a number that nobody outside
this process knows. Guards are made of bytes that hash to their digest and are never written anywhere: so a block that
fits its guard is a part of the chunk of that digest. A chunk that is read again whole is checked by its guard, too, in
an eighth of the time that its digest takes.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable

import msgspec
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


class Known(msgspec.Struct, frozen=True, gc=False):
    """What is known of one chunk: the guard of all of it, those of its blocks, for a location where its frames end."""

    whole: int
    guards: array[int]
    ends: array[int] | None

    def ends_in(self, ref: BlobRef) -> array[int] | None:
        """Where the frames of the stored chunk end, as `ends_of_frames` says it; None when that is not known."""
        # One chunk may lie in several packs, stored in another way in each.
        return self.ends if self.ends and self.ends[-1] == ref.stored else None


class Guards:
    """The guards of chunks that were verified, by digest; those used longest ago go first. Thread-safe."""

    def __init__(self, *, memory: int = MEMORY) -> None:
        """`memory`: bytes that they may take; 0 keeps none."""
        self._memory = memory
        self._kept: ByteLRU[bytes, Known] = ByteLRU(memory)
        self._seed = int.from_bytes(os.urandom(8), "little")

    def learn(self, ref: BlobRef, raw: bytes, ends: Callable[[], array[int] | None]) -> None:
        """Remember the guards of a chunk whose raw bytes hash to its digest, and where its frames end."""
        if self._memory:
            whole = self._guard(raw)
            guards = self._of(memoryview(raw)) if len(raw) > BLOCK else array("Q", (whole,))
            known = Known(whole, guards, None if is_plain(ref) else ends())
            size = len(guards) * guards.itemsize + len(known.ends or ()) * 4
            self._kept.put(_key(ref), known, size + _OVERHEAD)

    def known(self, ref: BlobRef) -> Known | None:
        """What is known of a chunk; None when it was not verified yet, or was forgotten."""
        return self._kept.get(_key(ref))

    def intact(self, ref: BlobRef, raw: bytes) -> bool:
        """Whether the bytes of a whole chunk are what was verified; False when it was not, or was forgotten."""
        known = self.known(ref)
        return known is not None and len(raw) == ref.length and known.whole == self._guard(raw)

    def sound(self, known: Known, start: int, data: bytes | memoryview) -> bool:
        """Whether `data`, whole blocks from `start` of a chunk, are what was verified."""
        found = self._of(memoryview(data))
        return known.guards[start // BLOCK : start // BLOCK + len(found)] == found

    def _of(self, raw: memoryview) -> array[int]:
        return array("Q", [self._guard(raw[at : at + BLOCK]) for at in range(0, len(raw), BLOCK)])

    def _guard(self, raw: bytes | memoryview) -> int:
        return xxhash.xxh3_64_intdigest(raw, self._seed)


def blocks_around(ref: BlobRef, skip: int, length: int) -> tuple[int, int]:
    """The range (start, length) of raw bytes to read so that a part of a chunk can be checked."""
    start = skip // BLOCK * BLOCK
    return start, min(-(-(skip + length) // BLOCK) * BLOCK, ref.length) - start


def _key(ref: BlobRef) -> bytes:
    # With the length, which a reference from a damaged list may have wrong: then nothing is known of it.
    return ref.digest + ref.length.to_bytes(4, "little")


def is_plain(ref: BlobRef) -> bool:
    """True for a chunk stored as it is: one codec byte, then the raw bytes. Compressed, it would be shorter."""
    return ref.stored == ref.length + 1
