"""Columns of a page: integers as packed little-endian arrays, blob locations beside the page's identity."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate

import msgspec

from vfs.errors import Corrupt
from vfs.model.entry import BlobRef
from vfs.model.ids import DIGEST_SIZE, PACK_ID_SIZE
from vfs.model.wire import decode

U16, U32, I64, U64 = "H", "I", "q", "Q"
# A hole has no digest; 32 zero bytes stand for it in a digest column.
NO_DIGEST = bytes(DIGEST_SIZE)
# Kinds and shapes are at most 3: for each a table that turns its byte into 1 and all others into 0.
_FLAGS = [bytes(byte == value for byte in range(256)) for value in range(4)]


def pack_ints(code: str, values: Iterable[int]) -> bytes:
    """`values` as a little-endian column of the given array type code."""
    column = array(code, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def unpack_ints(code: str, data: bytes, *, count: int, what: str) -> array[int]:
    """The `count` integers of a column; Corrupt naming `what` when there are more or fewer."""
    column = array(code)
    if len(data) != column.itemsize * count:
        raise Corrupt(f"{what}: a column holds {len(data)} bytes, {column.itemsize * count} expected")
    column.frombytes(data)
    if sys.byteorder == "big":
        column.byteswap()
    return column


def flags(column: bytes, value: int) -> bytes:
    """For each byte of `column` 1 where it is `value`, else 0; `value` is at most 3."""
    return column.translate(_FLAGS[value])


def counts_before(column: bytes, value: int) -> Sequence[int]:
    """For each position of `column`, and its end, how many bytes before it are `value`; `value` is at most 3."""
    if column.count(value) == len(column):
        return range(len(column) + 1)
    return array(U32, accumulate(flags(column, value), initial=0))


def split_digests(data: bytes, *, count: int, what: str) -> list[bytes]:
    """The `count` digests that lie back to back in `data`."""
    if len(data) != DIGEST_SIZE * count:
        raise Corrupt(f"{what}: a digest column holds {len(data)} bytes, {DIGEST_SIZE * count} expected")
    return [data[i : i + DIGEST_SIZE] for i in range(0, len(data), DIGEST_SIZE)]


def encode_columns(tag: str, columns: msgspec.Struct) -> bytes:
    """`columns` as an array behind `tag`, without the last one when that is empty."""
    values = msgspec.structs.astuple(columns)
    return msgspec.msgpack.encode((tag, *(values if values[-1] else values[:-1])))


class LocationColumns(msgspec.Struct, frozen=True, array_like=True):
    """Where the blobs named in a page lie, in the order the page names them; holes are left out.

    `packs` are the distinct pack ids (16 bytes each), `pack` u32 indexes into it, `offset` u64,
    `stored` u32; `length` u64 is the raw length, given only for refs to pages: that of a page
    depends on its own locations and so is no part of its identity.
    """

    packs: list[bytes]
    pack: bytes
    offset: bytes
    stored: bytes
    length: bytes


_decoder = msgspec.msgpack.Decoder(LocationColumns)


class LocationWriter:
    """Collects the locations of one page's refs in order."""

    def __init__(self) -> None:
        self._packs: dict[bytes, int] = {}
        self._rows: list[BlobRef] = []
        self._lengths: list[int] = []

    def add(self, ref: BlobRef, *, page: bool) -> None:
        """The next ref of the page; a hole has no location and takes no room."""
        if ref.is_hole:
            return
        self._packs.setdefault(ref.pack, len(self._packs))
        self._rows.append(ref)
        if page:
            self._lengths.append(ref.length)

    def encode(self) -> bytes:
        """The location section of the page."""
        rows = self._rows
        return msgspec.msgpack.encode(
            LocationColumns(
                packs=list(self._packs),
                pack=pack_ints(U32, [self._packs[ref.pack] for ref in rows]),
                offset=pack_ints(U64, [ref.offset for ref in rows]),
                stored=pack_ints(U32, [ref.stored for ref in rows]),
                length=pack_ints(U64, self._lengths),
            )
        )


class LocationReader:
    """Gives the refs of one page by their position; checks all lengths when it is made."""

    def __init__(self, data: bytes, *, refs: int, pages: int, what: str) -> None:
        columns = decode(_decoder, data, what=f"{what}, locations")
        self._packs = columns.packs
        self._pack = unpack_ints(U32, columns.pack, count=refs, what=what)
        self._offset = unpack_ints(U64, columns.offset, count=refs, what=what)
        self._stored = unpack_ints(U32, columns.stored, count=refs, what=what)
        self.page_lengths: Sequence[int] = unpack_ints(U64, columns.length, count=pages, what=what)
        if any(len(pack) != PACK_ID_SIZE for pack in self._packs) or max(self._pack, default=-1) >= len(self._packs):
            raise Corrupt(f"{what}: a location names no pack")

    def ref(self, position: int, digest: bytes, length: int) -> BlobRef:
        """The ref at `position` among the located refs of the page."""
        return BlobRef(
            digest, length, self._packs[self._pack[position]], self._offset[position], self._stored[position]
        )
