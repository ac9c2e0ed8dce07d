"""Pages: metadata blobs whose identity leaves out where other blobs lie.

A page has a logical part (what it says) and a location part (where the blobs it names are stored).
Its digest is the BLAKE3 of the logical part alone, so equal contents have equal page ids in every
store, and packs can be moved without changing an id. Layout of the raw bytes of a page::

    u32le length of the logical part
    u64le xxh3-64 of the location part
    logical part
    location part (to the end)

A location that was altered on purpose leads at worst to bytes that do not hash to the digest the
logical part names, so an error, never wrong data; the xxh3 finds damage.
"""

from __future__ import annotations

import struct

import msgspec
from xxhash import xxh3_64_intdigest

from vfs.content.limits import BLOB_MAX, place
from vfs.errors import Corrupt, Refused
from vfs.model.entry import BlobRef
from vfs.model.ids import digest_of

_HEAD = struct.Struct("<IQ")
PAGE_MAX = BLOB_MAX


class Page(msgspec.Struct, frozen=True, gc=False):
    """A verified page: what it says, and where the blobs it names lie."""

    logical: bytes
    location: bytes


def location_guard(location: bytes) -> int:
    """xxh3-64 of a location part: tells apart two pages that say the same and point elsewhere."""
    return xxh3_64_intdigest(location)


def pack_page(logical: bytes, location: bytes) -> bytes:
    """The raw bytes of a page; Refused when they pass 64 MiB."""
    size = _HEAD.size + len(logical) + len(location)
    if size > PAGE_MAX:
        raise Refused(f"page of {size} bytes: {PAGE_MAX} are the limit")
    return b"".join((_HEAD.pack(len(logical), location_guard(location)), logical, location))


def unpack_page(raw: bytes, ref: BlobRef) -> Page:
    """The page in `raw`, both parts verified; Corrupt naming the place of `ref` otherwise."""
    if len(raw) < _HEAD.size or len(raw) > PAGE_MAX:
        raise Corrupt(f"{place(ref)}: page of {len(raw)} bytes, {_HEAD.size} to {PAGE_MAX} are possible")
    size, guard = _HEAD.unpack_from(raw)
    end = _HEAD.size + size
    if end > len(raw):
        raise Corrupt(f"{place(ref)}: page of {len(raw)} bytes claims {size} of logical content")
    page = Page(raw[_HEAD.size : end], raw[end:])
    if digest_of(page.logical) != ref.digest:
        raise Corrupt(f"{place(ref)}: page does not hash to its id {ref.digest.hex()}")
    if location_guard(page.location) != guard:
        raise Corrupt(f"{place(ref)}: locations in the page are damaged")
    return page
