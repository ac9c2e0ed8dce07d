"""Checks a whole pack: every byte of it, from the header to the footer."""

from __future__ import annotations

from collections.abc import Iterator

from xxhash import xxh3_64_intdigest

from vfs.content.codec import decode
from vfs.content.limits import place
from vfs.content.pack import HEADER, pack_key, read_index
from vfs.content.pack_index import CHUNK, IndexEntry
from vfs.content.page import location_guard, unpack_page
from vfs.content.ranges import join_ranges
from vfs.errors import Corrupt
from vfs.model.ids import digest_of
from vfs.store.protocol import Store


def check_pack(store: Store, pack: bytes) -> Iterator[Corrupt]:
    """What is wrong with a pack, an error for each damaged blob; nothing for a sound one.

    Raises Corrupt when its index cannot be used, ObjectMissing when there is no such pack.
    """
    key = pack_key(pack)
    entries = read_index(store, key)
    if store.get(key, length=len(HEADER)) != HEADER:
        yield Corrupt(f"pack {pack.hex()}: does not begin like a pack")
    by_ref = {entry.ref: entry for entry in entries}
    for span in join_ranges(by_ref):
        data = memoryview(store.get(key, start=span.start, length=span.length))
        for ref in span.refs:
            at = ref.offset - span.start
            error = _check(by_ref[ref], data[at : at + ref.stored])
            if error is not None:
                yield error


def _check(entry: IndexEntry, stored: memoryview) -> Corrupt | None:
    ref = entry.ref
    if len(stored) != ref.stored or xxh3_64_intdigest(stored) != entry.check:
        return Corrupt(f"{place(ref)}: stored bytes are damaged")
    try:
        raw = decode(stored, ref.length, what=place(ref))
        if entry.kind == CHUNK:
            sound = digest_of(raw) == ref.digest
        else:
            sound = location_guard(unpack_page(raw, ref).location) == entry.guard
    except Corrupt as error:
        return error
    return None if sound else Corrupt(f"{place(ref)}: blob is not the one its index names")
