"""Compressed chunks that can be read in part: independent frames of 64 KiB each, and where they end.

Layout::

    n x u32le   length of each frame; n is the raw length in pieces of 64 KiB, the last one shorter
    n x frame   zstd, each states its content size
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from itertools import accumulate, pairwise

import zstandard

from vfs.content.limits import KIB
from vfs.errors import Corrupt

# What a small read decompresses at most, twice where it lies on a border: 50 µs each.
FRAME = 64 * KIB
# Frames that make the whole larger than this are not worth it. Programs and texts lose 5 to 15 %, tables with long
# repetitions half. A small read of a chunk in one piece takes twice as long as one of a frame.
LOSS_MAX = 1.25
# The share of a chunk on which that is tried, as one piece and as frames.
SAMPLE = 4 * FRAME
_SIZE = 4

Compress = Callable[[memoryview], bytes]


def worth_frames(raw: memoryview, compress: Compress) -> bool:
    """Whether frames of a chunk take little more room than one frame; tried on its first 256 KiB."""
    sample = raw[:SAMPLE]
    if len(raw) <= 2 * FRAME:
        return False
    apart = sum(len(compress(sample[at : at + FRAME])) for at in range(0, len(sample), FRAME))
    return apart <= len(compress(sample)) * LOSS_MAX


def join_frames(raw: memoryview, compress: Compress) -> bytes:
    """The payload of `raw`."""
    frames = [compress(raw[at : at + FRAME]) for at in range(0, len(raw), FRAME)]
    sizes = array("I", map(len, frames))
    if sys.byteorder == "big":
        sizes.byteswap()
    return b"".join((sizes.tobytes(), *frames))


def frame_ends(payload: memoryview, length: int, what: str) -> list[int]:
    """Where the table and each frame end, in bytes of the payload; Corrupt when they do not fill it."""
    count = -(-length // FRAME)
    sizes = array("I", bytes(payload[: min(count, len(payload) // _SIZE) * _SIZE]))
    if sys.byteorder == "big":
        sizes.byteswap()
    ends = list(accumulate(sizes, initial=count * _SIZE))
    if len(sizes) != count or ends[-1] != len(payload):
        raise Corrupt(f"{what}: compressed frames do not fill the {len(payload)} bytes of their blob")
    return ends


def split_frames(payload: memoryview, length: int, decompressor: zstandard.ZstdDecompressor, what: str) -> bytes:
    """The raw bytes of a payload; Corrupt, ZstdError. Allocates `length` bytes, whatever the frames claim."""
    ends = frame_ends(payload, length, what)
    spans = array("Q", (number for start, end in pairwise(ends) for number in (start, end - start)))
    sizes = array("Q", (min(FRAME, length - at) for at in range(0, length, FRAME)))
    # In one call, and so with one turn of the interpreter's lock: with one a frame, threads wait for each other.
    frames = zstandard.BufferWithSegments(payload, spans.tobytes())
    found = decompressor.multi_decompress_to_buffer(frames, decompressed_sizes=sizes.tobytes(), threads=1)
    return b"".join(segment.tobytes() for segment in map(found.__getitem__, range(len(found))))
