from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from struct import pack

import msgspec
import pytest
from content_world import World, noise
from hypothesis import given, settings
from hypothesis import strategies as st

from vfs.content.page import Page
from vfs.content.paging import LIST_MAX, PAGE_MAX_REFS, PAGE_MIN, ListWriter, decode_list, encode_list, hole
from vfs.errors import Corrupt
from vfs.model.entry import BlobRef, ChunkList
from vfs.model.ids import digest_of

AT = BlobRef(b"d" * 32, 100, b"p" * 16, 8, 100)


class Pages:
    """Where a list writer puts its pages: by reference, in order."""

    def __init__(self) -> None:
        self.held: dict[BlobRef, Page] = {}
        self.order: list[BlobRef] = []

    def put(self, logical: bytes, location: bytes) -> BlobRef:
        size = len(logical) + len(location) + 12
        ref = BlobRef(digest_of(logical), size, b"q" * 16, 8 + len(self.held), size)
        self.held[ref] = Page(logical, location)
        self.order.append(ref)
        return ref

    def write(self, refs: Sequence[BlobRef]) -> ChunkList:
        writer = ListWriter(self.put)
        for ref in refs:
            writer.add(ref, ref.length)
        return writer.finish()

    def leaves(self, chunks: ChunkList) -> list[BlobRef]:
        """All references of level 0 below `chunks`; the spans of every page checked on the way."""
        if not chunks.level:
            return list(chunks.refs)
        found = []
        for ref, span in zip(chunks.refs, chunks.spans, strict=True):
            below = decode_list(self.held[ref], ref, level=chunks.level - 1)
            assert sum(below.lengths()) == span
            found += self.leaves(below)
        return found


def refs_of(seed: int, count: int) -> list[BlobRef]:
    rnd = random.Random(seed)
    return [
        BlobRef(rnd.randbytes(32), rnd.randint(1, 4 << 20), rnd.randbytes(16), rnd.randint(8, 1 << 26), 1)
        for _ in range(count)
    ]


def test_a_short_list_is_kept_as_it_is() -> None:
    pages, refs = Pages(), refs_of(1, LIST_MAX)
    assert pages.write(refs) == ChunkList(tuple(refs))
    assert not pages.held


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(LIST_MAX + 1, 6000), holes=st.sampled_from([0, 0.01, 0.9]))
def test_a_long_list_comes_back_from_its_pages(seed: int, count: int, holes: float) -> None:
    rnd = random.Random(seed)
    refs = [hole(rnd.randint(1, 1 << 50)) if rnd.random() < holes else ref for ref in refs_of(seed, count)]
    pages = Pages()
    chunks = pages.write(refs)
    assert chunks.level == 1 and len(chunks.refs) <= LIST_MAX
    assert pages.leaves(chunks) == refs
    sizes = [len(decode_list(pages.held[ref], ref, level=0).refs) for ref in pages.order]
    assert all(PAGE_MIN <= size <= PAGE_MAX_REFS for size in sizes[:-1])


def test_a_very_long_list_has_pages_of_pages() -> None:
    pool = refs_of(2, 4096)
    refs = random.Random(3).choices(pool, k=150_000)
    pages = Pages()
    chunks = pages.write(refs)
    assert chunks.level == 2
    assert pages.leaves(chunks) == refs


def test_equal_chunks_without_end_still_make_pages_of_bounded_size() -> None:
    refs = refs_of(4, 1) * 5000
    pages = Pages()
    assert pages.leaves(pages.write(refs)) == refs
    assert [len(decode_list(pages.held[ref], ref, level=0).refs) for ref in pages.order] == [1024] * 4 + [904]


@pytest.mark.parametrize("count", [300, 1500, 40_000])
def test_an_append_rewrites_the_last_page_only(count: int) -> None:
    refs, pages = refs_of(5, count), Pages()
    pages.write(refs)
    before = {ref.digest for ref in pages.order}
    pages.order.clear()
    pages.write([*refs, refs_of(6, 1)[0]])
    new = [ref for ref in pages.order if ref.digest not in before]
    assert 1 <= len(new) <= 2


def test_an_insertion_rewrites_the_pages_around_it_only() -> None:
    refs, pages = refs_of(7, 20_000), Pages()
    pages.write(refs)
    before = {ref.digest for ref in pages.order}
    pages.order.clear()
    pages.write(refs[:9000] + refs_of(8, 1) + refs[9000:])
    assert len({ref.digest for ref in pages.order} - before) <= 3


def test_the_id_of_a_list_page_does_not_depend_on_where_the_chunks_lie() -> None:
    refs = refs_of(9, 3000)
    moved = [BlobRef(ref.digest, ref.length, b"m" * 16, 8, 1) for ref in refs]
    one, other = Pages(), Pages()
    assert [ref.digest for ref in one.write(refs).refs] == [ref.digest for ref in other.write(moved).refs]
    assert [page.location for page in one.held.values()] != [page.location for page in other.held.values()]


def test_the_layout_is_the_documented_one() -> None:
    one = BlobRef(b"d" * 32, 5, b"p" * 16, 8, 6)
    assert encode_list([one, hole(7)], [5, 7], level=0) == (
        msgspec.msgpack.encode([0, b"d" * 32 + bytes(32), pack("<2Q", 5, 7)]),
        msgspec.msgpack.encode([b"p" * 16 + bytes(16), pack("<2Q", 8, 0), pack("<2I", 6, 0), b""]),
    )
    assert encode_list([one], [999], level=1) == (
        msgspec.msgpack.encode([1, b"d" * 32, pack("<Q", 999)]),
        msgspec.msgpack.encode([b"p" * 16, pack("<Q", 8), pack("<I", 6), pack("<I", 5)]),
    )


def page_of(logical: object, location: object) -> Page:
    return Page(msgspec.msgpack.encode(logical), msgspec.msgpack.encode(location))


GOOD = ([0, b"d" * 32, pack("<Q", 5)], [b"p" * 16, pack("<Q", 8), pack("<I", 6), b""])


@pytest.mark.parametrize(
    "page",
    [
        page_of([1, *GOOD[0][1:]], GOOD[1]),
        page_of([0, b"", b""], [b"", b"", b"", b""]),
        page_of([0, b"d" * 31, pack("<Q", 5)], GOOD[1]),
        page_of([0, b"d" * 32, pack("<Q", 5) + b"x"], GOOD[1]),
        page_of(GOOD[0], [b"p" * 15, *GOOD[1][1:]]),
        page_of(GOOD[0], [*GOOD[1][:3], b"four"]),
        page_of([0, b"d" * 32, pack("<Q", 0)], GOOD[1]),
        page_of([0, b"d" * 32, pack("<Q", 1 << 40)], GOOD[1]),
        page_of(GOOD[0], [b"p" * 16, pack("<Q", 1 << 60), pack("<I", 6), b""]),
        page_of(GOOD[0], [b"p" * 16, pack("<Q", 8), pack("<I", 0), b""]),
        page_of(GOOD[0], [b"p" * 16, pack("<Q", 8), pack("<I", 7), b""]),
        page_of([0, b"d" * 32 * 1025, pack("<Q", 5) * 1025], [b"p" * 16 * 1025, bytes(8 * 1025), bytes(4 * 1025), b""]),
        Page(b"\x93\x00\xc6\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff"),
        Page(b"", b""),
    ],
)
def test_a_page_that_cannot_be_a_list_is_refused(page: Page) -> None:
    assert decode_list(page_of(*GOOD), AT, level=0).refs == (BlobRef(b"d" * 32, 5, b"p" * 16, 8, 6),)
    with pytest.raises(Corrupt, match=f"^pack {'70' * 16} at "):
        decode_list(page, AT, level=0)


def test_a_page_of_pages_holds_no_holes() -> None:
    page = page_of([1, bytes(32), pack("<Q", 5)], [bytes(16), pack("<Q", 0), pack("<I", 0), pack("<I", 5)])
    with pytest.raises(Corrupt):
        decode_list(page, AT, level=1)


def test_a_location_cannot_turn_a_chunk_into_a_hole() -> None:
    page = page_of(GOOD[0], [bytes(16), pack("<Q", 0), pack("<I", 0), b""])
    with pytest.raises(Corrupt):
        decode_list(page, AT, level=0)


@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(0, 3))
def test_any_bytes_are_a_list_or_corrupt(logical: bytes, location: bytes, level: int) -> None:
    with suppress(Corrupt):
        assert decode_list(Page(logical, location), AT, level=level).refs


def test_an_append_to_a_large_file_stores_the_tail_only(world: World) -> None:
    pool = noise(10, 16 << 20)
    sent = 0

    def read_until(end: int, size: int) -> bytes:
        nonlocal sent
        at, sent = sent, min(sent + (1 << 16) - sent % (1 << 16), sent + size, end)
        begin = (at >> 16) * 2_654_435_761 % (15 << 20) + at % (1 << 16)
        return pool[begin : begin + sent - at]

    whole = 600 << 20
    writer = world.writer()
    first = writer.put_stream(lambda size: read_until(whole, size))
    writer.flush()
    assert isinstance(first.content, ChunkList) and first.content.level == 1 and first.size == whole
    sent, again = 0, world.writer()
    second = again.put_stream(lambda size: read_until(whole + 100_000, size))
    again.flush()
    assert second.size == whole + 100_000
    assert again.stats.chunks_new <= 2 and again.stats.bytes_new <= (4 << 20) + 100_000
    assert again.stats.pages_new == 1 and again.stats.page_bytes_new < 100_000
