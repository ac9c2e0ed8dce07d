"""Packs: store objects of up to 64 MiB that hold stored blobs back to back and say what they hold.

Key: `packs/<first 2 hex digits of the id>/<32 hex digits>`; the id is 16 random bytes. Layout::

    8 bytes        b"vfspack1"
    stored blobs   back to back, the first at offset 8 (see codec)
    index          one msgpack array of columns, n blobs in order of offset (see pack_index)
    u64le          length of the index
    u64le          xxh3-64 of the index
    8 bytes        b"vfspackI"

A reader that has a reference needs neither header nor index; they serve the local index of known
chunks, verification and repair.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence

from xxhash import xxh3_64_intdigest

from vfs.content.buffers import Buffers
from vfs.content.codec import Stored
from vfs.content.pack_index import IndexEntry, decode_index, encode_index
from vfs.errors import Corrupt
from vfs.model.entry import BlobRef
from vfs.model.ids import PACK_ID_SIZE, Digest
from vfs.store.protocol import Store

PREFIX = "packs/"
HEADER = b"vfspack1"
_FOOTER = struct.Struct("<QQ8s")
_FOOTER_MAGIC = b"vfspackI"
FOOTER_SIZE = _FOOTER.size
# One array and seven byte strings of msgpack, at up to 5 bytes each.
_INDEX_HEADERS = 40
# The first read of a tail: holds the whole index of a pack of 1 MiB chunks, in one request.
TAIL = 64 * 1024
# 64 bytes a blob: an index of this size belongs to a pack of a million blobs of 64 bytes.
INDEX_MAX = 64 * 1024 * 1024


def pack_key(pack: bytes) -> str:
    """The store key of the pack with this id."""
    return f"{PREFIX}{pack.hex()[:2]}/{pack.hex()}"


def pack_of_key(key: str) -> bytes | None:
    """The id of the pack stored under `key`; None when no pack is called so."""
    name = key.rpartition("/")[2]
    try:
        pack = bytes.fromhex(name)
    except ValueError:
        return None
    return pack if len(pack) == PACK_ID_SIZE and key == pack_key(pack) else None


class PackWriter:
    """One pack being filled, in memory. Not thread-safe: its owner holds a lock.

    Invariant: `entries` describes exactly the blobs in the first `size` bytes of the buffer, back to
    back, in call order, and the buffer has room for their index.
    """

    def __init__(self, buffers: Buffers, *, first: int) -> None:
        """A pack with room for a blob of `first` stored bytes at least."""
        self.pack = os.urandom(PACK_ID_SIZE)
        self.entries: list[IndexEntry] = []
        self._buffers = buffers
        self._buffer = buffers.take(len(HEADER) + first + _tail_size(1))
        self._buffer[: len(HEADER)] = HEADER
        self.size = len(HEADER)

    def fits(self, stored: int) -> bool:
        """True while there is room for a blob of `stored` bytes."""
        return self.size + stored + _tail_size(len(self.entries) + 1) <= len(self._buffer)

    def add(self, digest: Digest, stored: Stored, *, kind: int, length: int, guard: int = 0) -> BlobRef:
        """Append a blob; where it will lie. `guard` is that of a page's locations, 0 for a chunk."""
        ref = BlobRef(digest, length, self.pack, self.size, stored.size)
        self.entries.append(IndexEntry(ref, kind, guard, stored.check))
        for part in stored.parts:
            self._buffer[self.size : self.size + len(part)] = part
            self.size += len(part)
        return ref

    def seal(self) -> memoryview:
        """The finished object; nothing can be added after."""
        index = encode_index(self.entries)
        tail = index + _FOOTER.pack(len(index), xxh3_64_intdigest(index), _FOOTER_MAGIC)
        self._buffer[self.size : self.size + len(tail)] = tail
        return memoryview(self._buffer)[: self.size + len(tail)]

    def release(self) -> None:
        """Give the buffer back; what `seal` returned must not be used any more."""
        self._buffers.give(self._buffer)
        del self._buffer


def _tail_size(blobs: int) -> int:
    """At most this many bytes follow the blobs of a pack that holds `blobs` of them."""
    return blobs * IndexEntry.SIZE + _INDEX_HEADERS + FOOTER_SIZE


def read_index(store: Store, key: str, *, size: int | None = None) -> Sequence[IndexEntry]:
    """What the pack at `key` holds, from one or two reads of its tail; `size` saves a listing.

    ObjectMissing when there is no such pack, Corrupt naming it when its tail is not that of a pack.
    """
    pack = pack_of_key(key)
    if pack is None:
        raise Corrupt(f"{key}: not the key of a pack")
    if size is None:
        size = _size_of(store, key)
    start = max(0, size - TAIL)
    tail = store.get(key, start=start, length=size - start)
    length, guard = _footer(pack, tail, size)
    if length + FOOTER_SIZE > len(tail):
        tail = store.get(key, start=size - FOOTER_SIZE - length, length=length + FOOTER_SIZE)
    index = tail[-FOOTER_SIZE - length : -FOOTER_SIZE]
    if len(index) != length or xxh3_64_intdigest(index) != guard:
        raise Corrupt(f"pack {pack.hex()}: its index is damaged")
    return decode_index(pack, index, first=len(HEADER), end=size - FOOTER_SIZE - length)


def _size_of(store: Store, key: str) -> int:
    found = [info.size for info in store.list(key) if info.key == key]
    return found[0] if found else len(store.get(key))


def _footer(pack: bytes, tail: bytes, size: int) -> tuple[int, int]:
    """Length and xxh3 of the index, as the last bytes of a pack of `size` bytes say."""
    if len(tail) < FOOTER_SIZE:
        raise Corrupt(f"pack {pack.hex()}: {size} bytes are too few for a pack")
    length, guard, magic = _FOOTER.unpack(tail[-FOOTER_SIZE:])
    if magic != _FOOTER_MAGIC:
        raise Corrupt(f"pack {pack.hex()}: does not end like a pack; truncated or overwritten")
    if length > INDEX_MAX or length > size - FOOTER_SIZE - len(HEADER):
        raise Corrupt(f"pack {pack.hex()}: claims an index of {length} bytes in {size}")
    return length, guard
