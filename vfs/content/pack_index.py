"""The index at the end of a pack: columns over its blobs, in order of offset.

Layout: one msgpack array of seven byte strings, for n blobs::

    digests    32 n bytes
    kinds      n bytes: 1 chunk, 2 page
    offsets    n of u64le, from the start of the pack
    stored     n of u32le, bytes in the pack
    lengths    n of u32le, raw bytes
    guards     n of u64le: xxh3-64 of a page's locations, 0 for a chunk
    checks     n of u64le: xxh3-64 of the stored bytes

The blobs fill the pack: each begins where the one before it ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack as pack_numbers
from struct import unpack as unpack_numbers
from typing import ClassVar

import msgspec

from vfs.content.limits import check_ref
from vfs.errors import Corrupt
from vfs.model.entry import BlobRef
from vfs.model.ids import DIGEST_SIZE
from vfs.model.wire import decode

CHUNK = 1
PAGE = 2


class IndexEntry(msgspec.Struct, frozen=True, gc=False):
    """One blob of a pack: where it lies, its kind, the guard of a page's locations, xxh3 of its stored bytes."""

    SIZE: ClassVar[int] = DIGEST_SIZE + 1 + 8 + 4 + 4 + 8 + 8

    ref: BlobRef
    kind: int
    guard: int
    check: int


class _Columns(msgspec.Struct, frozen=True, array_like=True):
    digests: bytes
    kinds: bytes
    offsets: bytes
    stored: bytes
    lengths: bytes
    guards: bytes
    checks: bytes


_decoder = msgspec.msgpack.Decoder(_Columns)


def encode_index(entries: Sequence[IndexEntry]) -> bytes:
    """The index of a pack that holds `entries`."""
    n = len(entries)
    refs = [entry.ref for entry in entries]
    columns = _Columns(
        digests=b"".join(ref.digest for ref in refs),
        kinds=bytes(entry.kind for entry in entries),
        offsets=pack_numbers(f"<{n}Q", *(ref.offset for ref in refs)),
        stored=pack_numbers(f"<{n}I", *(ref.stored for ref in refs)),
        lengths=pack_numbers(f"<{n}I", *(ref.length for ref in refs)),
        guards=pack_numbers(f"<{n}Q", *(entry.guard for entry in entries)),
        checks=pack_numbers(f"<{n}Q", *(entry.check for entry in entries)),
    )
    return msgspec.msgpack.encode(columns)


def decode_index(pack: bytes, index: bytes, *, first: int, end: int) -> Sequence[IndexEntry]:
    """The entries of an index whose blobs fill the bytes `first` to `end` of the pack; Corrupt otherwise.

    What is built is bounded by the bytes of the index: no count is believed.
    """
    what = f"pack {pack.hex()}"
    columns = decode(_decoder, index, what=f"{what}: its index")
    n = len(columns.kinds)
    sizes = [len(getattr(columns, name)) for name in _Columns.__struct_fields__]
    if sizes != [32 * n, n, 8 * n, 4 * n, 4 * n, 8 * n, 8 * n]:
        raise Corrupt(f"{what}: the columns of its index do not fit together")
    entries = _entries(pack, columns, n)
    _check_fill(what, entries, first=first, end=end)
    return entries


def _entries(pack: bytes, columns: _Columns, n: int) -> list[IndexEntry]:
    offsets = unpack_numbers(f"<{n}Q", columns.offsets)
    stored = unpack_numbers(f"<{n}I", columns.stored)
    lengths = unpack_numbers(f"<{n}I", columns.lengths)
    guards = unpack_numbers(f"<{n}Q", columns.guards)
    checks = unpack_numbers(f"<{n}Q", columns.checks)
    digests = columns.digests
    return [
        IndexEntry(
            BlobRef(digests[DIGEST_SIZE * i : DIGEST_SIZE * (i + 1)], lengths[i], pack, offsets[i], stored[i]),
            columns.kinds[i],
            guards[i],
            checks[i],
        )
        for i in range(n)
    ]


def _check_fill(what: str, entries: Sequence[IndexEntry], *, first: int, end: int) -> None:
    """Corrupt unless the entries are possible blobs of known kinds that lie back to back from `first` to `end`."""
    at = first
    for entry in entries:
        check_ref(entry.ref)
        if entry.ref.offset != at:
            raise Corrupt(f"{what}: its index puts a blob at {entry.ref.offset}, {at} expected")
        if entry.kind not in (CHUNK, PAGE):
            raise Corrupt(f"{what}: its index has a blob of kind {entry.kind}")
        at += entry.ref.stored
    if at != end:
        raise Corrupt(f"{what}: its blobs end at {at}, its index begins at {end}")
