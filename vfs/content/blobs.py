"""Reads blobs: every byte verified against its digest, kept in memory within a byte limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vfs.content.codec import decode_frame, decode_part, ends_of_frames
from vfs.content.fetcher import Fetcher
from vfs.content.frames import FRAME
from vfs.content.guards import Guards, Known, blocks_around, is_plain
from vfs.content.limits import MIB, check_ref, place
from vfs.content.page import Page, unpack_page
from vfs.content.source import PackCache, PackSource
from vfs.errors import Corrupt, VfsError
from vfs.metrics.counters import Counter
from vfs.model.entry import BlobRef
from vfs.model.ids import digest_of
from vfs.store.protocol import Store

MEMORY = 256 * MIB
# The share of the memory that is kept for pages: 1/8 holds the index of a tree of some million entries.
PAGE_SHARE = 8


# With a page that is fetched from afar come its neighbours: the pages of 20,000 entries, in one round trip.
PAGES_AROUND = MIB
# Reads a range (pack, start, length), or does not.
ReadRange = Callable[[bytes, int, int], bytes | memoryview | None]


class Blobs:
    """The chunks and pages of one store by reference. Thread-safe; what several threads want is read once.

    Invariant: what is returned hashes to the digest of its reference, or fits the guards of what did.
    """

    def __init__(
        self,
        store: Store,
        *,
        memory: int = MEMORY,
        cache: PackCache | None = None,
        guards: int = 0,
        refetched: Counter | None = None,
    ) -> None:
        """At most `memory` bytes of raw blobs are kept; `cache` is asked before the store and given what was right.

        `guards`: bytes to take for the guards of chunks, without which every part takes its whole chunk.
        `refetched` counts ranges that came damaged from the store and were asked for again.
        """
        source = self._source = PackSource(store, cache)
        self._guards = Guards(memory=guards)
        for_pages = memory // PAGE_SHARE
        self._chunks: Fetcher[bytes] = Fetcher(source, self._verified, memory=memory - for_pages, refetched=refetched)
        self._pages: Fetcher[Page] = Fetcher(source, _page, memory=for_pages, around=PAGES_AROUND, refetched=refetched)

    def get(self, ref: BlobRef) -> bytes:
        """The raw bytes of a chunk; Corrupt, naming pack and offset, when they are not what `ref` says."""
        return self._chunks.get(ref)

    def get_many(self, refs: Sequence[BlobRef]) -> list[bytes]:
        """The raw bytes of chunks in the order of `refs`; neighbours are read in one request. No holes."""
        return self._chunks.get_many(refs)

    def load(self, refs: Sequence[BlobRef]) -> int:
        """Have chunks in memory, neighbours read in one request; the bytes that were not there."""
        missing = [ref for ref in refs if self._chunks.cached(ref) is None]
        self._chunks.get_many(missing)
        return sum(ref.length for ref in missing)

    def get_page(self, ref: BlobRef) -> Page:
        """A page, both of its parts verified; Corrupt as for `get`."""
        return self._pages.get(ref)

    def part(self, ref: BlobRef, skip: int, length: int) -> memoryview | None:
        """`length` bytes from `skip` of a chunk, if they can be had without reading and hashing all of it.

        They can when it is in memory, or was verified before and lies on local disk; of a compressed one all that is
        stored is read, and decompressed as far as needed. None otherwise, and when anything about them is odd: `get`
        then says what, or puts it right.
        """
        chunk = self._chunks.cached(ref)
        if chunk is not None:
            return memoryview(chunk)[skip : skip + length]
        known = self._guards.known(check_ref(ref))
        return None if known is None else self._guarded(ref, known, skip, length, self._source.near)

    def _guarded(self, ref: BlobRef, known: Known, skip: int, length: int, read: ReadRange) -> memoryview | None:
        start, size = blocks_around(ref, skip, length)
        try:
            data = _raw_part(ref, known, start, size, read)
        except VfsError:
            return None
        if data is None or len(data) != size or not self._guards.sound(known, start, data):
            return None
        return memoryview(data)[skip - start : skip - start + length]

    def _verified(self, raw: bytes, ref: BlobRef, stored: memoryview) -> bytes:
        if self._guards.intact(ref, raw):
            return raw
        if digest_of(raw) != ref.digest:
            raise Corrupt(f"{place(ref)}: chunk does not hash to {ref.digest.hex()}")
        self._guards.learn(ref, raw, lambda: ends_of_frames(stored, ref.length, what=place(ref)))
        return raw


def _page(raw: bytes, ref: BlobRef, stored: memoryview) -> Page:
    return unpack_page(raw, ref)


def _raw_part(ref: BlobRef, known: Known, start: int, size: int, read: ReadRange) -> bytes | memoryview | None:
    """The raw bytes of a part of a chunk, unchecked, as `read` gives them."""
    if is_plain(ref):
        return read(ref.pack, ref.offset + 1 + start, size)
    ends = known.ends_in(ref)
    if ends is not None:
        return _of_frames(ref, ends, start, size, read)
    stored = read(ref.pack, ref.offset, ref.stored)
    return None if stored is None else decode_part(stored, start, size, what=place(ref))


def _of_frames(ref: BlobRef, ends: Sequence[int], start: int, size: int, read: ReadRange) -> memoryview | None:
    """The raw bytes of a part of a chunk from the frames that hold it, which end in its stored form at `ends`."""
    first, last = start // FRAME, (start + size - 1) // FRAME
    stored = read(ref.pack, ref.offset + ends[first], ends[last + 1] - ends[first])
    if stored is None:
        return None
    frames = [memoryview(stored)[ends[n] - ends[first] : ends[n + 1] - ends[first]] for n in range(first, last + 1)]
    raw = [decode_frame(frame, what=place(ref)) for frame in frames]
    return memoryview(raw[0] if len(raw) == 1 else b"".join(raw))[start - first * FRAME :][:size]
