"""The map of a mirror: fixed records, appended, each with a check of its own.

A record is 32 bytes: u64 offset in the pack, u32 length, u32 zero, u64 xxh3-64 of the bytes, u64 xxh3-64 of
the 24 bytes before. A record of length 0 drops every piece that overlaps the byte at its offset. What does
not check, such as the torn end of a crash, is passed over.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator

import msgspec
import xxhash

_BODY = struct.Struct("<QIIQ")
_CHECK = struct.Struct("<Q")
RECORD = _BODY.size + _CHECK.size
# What one check covers: a random read verifies at most two of these, 3 µs.
PIECE = 64 * 1024


class Piece(msgspec.Struct, frozen=True, gc=False):
    """`length` bytes at `offset` of a pack, and their xxh3-64."""

    offset: int
    length: int
    guard: int

    @property
    def end(self) -> int:
        """The offset after the last byte."""
        return self.offset + self.length


def encode(piece: Piece) -> bytes:
    """The record of a piece."""
    body = _BODY.pack(piece.offset, piece.length, 0, piece.guard)
    return body + _CHECK.pack(xxhash.xxh3_64_intdigest(body))


def decode(data: bytes) -> Iterator[Piece]:
    """The pieces of all whole, undamaged records in `data`."""
    for start in range(0, len(data) - RECORD + 1, RECORD):
        body = data[start : start + _BODY.size]
        (check,) = _CHECK.unpack_from(data, start + _BODY.size)
        if check == xxhash.xxh3_64_intdigest(body):
            offset, length, _, guard = _BODY.unpack(body)
            yield Piece(offset, length, guard)


def cut(offset: int, data: memoryview) -> Iterator[tuple[Piece, memoryview]]:
    """`data` at `offset` as pieces that end on multiples of 64 KiB of the pack, with their bytes."""
    at = 0
    while at < len(data):
        length = min(PIECE - (offset + at) % PIECE, len(data) - at)
        part = data[at : at + length]
        yield Piece(offset + at, length, xxhash.xxh3_64_intdigest(part)), part
        at += length


class PieceMap:
    """The pieces of one mirror in order of offset; they never overlap."""

    def __init__(self) -> None:
        self._offsets: list[int] = []
        self._pieces: list[Piece] = []

    def apply(self, record: Piece) -> None:
        """Take one record into account: a piece, or the loss of one."""
        position = bisect_right(self._offsets, record.offset) - 1
        covered = position >= 0 and self._pieces[position].end > record.offset
        if record.length == 0:
            if covered:
                del self._offsets[position], self._pieces[position]
            return
        after = self._offsets[position + 1] if position + 1 < len(self._offsets) else None
        if not covered and (after is None or after >= record.end):
            self._offsets.insert(position + 1, record.offset)
            self._pieces.insert(position + 1, record)

    def covering(self, start: int, end: int) -> list[Piece] | None:
        """The pieces that hold all of `start` to `end`, or None when some of it is missing."""
        found: list[Piece] = []
        position = bisect_right(self._offsets, start) - 1
        at = start
        while at < end:
            if (
                not 0 <= position < len(self._pieces)
                or not self._pieces[position].offset <= at < self._pieces[position].end
            ):
                return None
            found.append(self._pieces[position])
            at = self._pieces[position].end
            position += 1
        return found

    def touching(self, start: int, end: int) -> list[Piece]:
        """The pieces that have a byte in `start` to `end`."""
        position = max(bisect_right(self._offsets, start) - 1, 0)
        found: list[Piece] = []
        while position < len(self._pieces) and self._pieces[position].offset < end:
            if self._pieces[position].end > start:
                found.append(self._pieces[position])
            position += 1
        return found

    def gaps(self, start: int, end: int) -> list[tuple[int, int]]:
        """The parts of `start` to `end` that no piece holds."""
        found: list[tuple[int, int]] = []
        position = max(bisect_right(self._offsets, start) - 1, 0)
        at = start
        while at < end:
            piece = self._pieces[position] if position < len(self._pieces) else None
            if piece is not None and piece.end <= at:
                position += 1
                continue
            if piece is None or piece.offset >= end:
                found.append((at, end))
                return found
            if piece.offset > at:
                found.append((at, piece.offset))
            at = piece.end
            position += 1
        return found

    def __iter__(self) -> Iterator[Piece]:
        return iter(list(self._pieces))

    def __len__(self) -> int:
        return len(self._pieces)

    @property
    def bytes(self) -> int:
        """Bytes that the pieces hold."""
        return sum(piece.length for piece in self._pieces)
