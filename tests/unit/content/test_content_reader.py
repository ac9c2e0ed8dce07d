from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from content_world import CountingStore, World, entry, flipped, noise, replace
from hypothesis import given, settings
from hypothesis import strategies as st

from vfs.content.blobs import Blobs
from vfs.content.pack import pack_key
from vfs.content.paging import ListWriter, encode_list, hole
from vfs.content.reader import FileReader
from vfs.errors import Corrupt
from vfs.model.entry import BlobRef, ChunkList, Entry
from vfs.model.ids import digest_of


@dataclass
class Sample:
    """A file of thousands of tiny chunks and some holes, so that its list has pages, with its plain bytes."""

    world: World
    plain: bytes
    entry: Entry
    refs: list[BlobRef]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    world = World(tmp_path_factory.mktemp("sample"), CountingStore())
    writer = world.writer()
    rnd = random.Random(1)
    chunks = ListWriter(writer.put_page)
    plain, refs = bytearray(), list[BlobRef]()
    for _ in range(5000):
        size = rnd.randint(1, 60)
        if rnd.random() < 0.1:
            refs.append(hole(size))
            plain += bytes(size)
        else:
            raw = rnd.randbytes(size)
            refs.append(writer.put_chunk(raw))
            plain += raw
        chunks.add(refs[-1], size)
    content = chunks.finish()
    writer.flush()
    assert content.level == 1 and len(content.refs) > 5
    return Sample(world, bytes(plain), entry(content, len(plain), digest_of(plain)), refs)


@settings(deadline=None)
@given(offset=st.floats(0, 1.1), length=st.one_of(st.integers(0, 200), st.integers(0, 200_000)))
def test_any_range_is_that_of_the_plain_bytes(sample: Sample, offset: float, length: int) -> None:
    start = int(offset * len(sample.plain))
    assert sample.world.reader().read(sample.entry, start, length) == sample.plain[start : start + length]


def test_chunks_and_stream_give_all_of_a_file_in_order(sample: Sample) -> None:
    reader = sample.world.reader()
    assert list(reader.chunks(sample.entry)) == sample.refs
    assert b"".join(reader.stream(sample.entry)) == sample.plain


def test_a_random_read_asks_for_one_page_and_one_chunk(sample: Sample) -> None:
    store = sample.world.store
    assert isinstance(store, CountingStore)
    reader = sample.world.reader()
    store.reads.clear()
    at = len(sample.plain) // 2
    reader.read(sample.entry, at, 1)
    assert len(store.reads) <= 2
    store.reads.clear()
    assert reader.read(sample.entry, at, 1) == sample.plain[at : at + 1]
    assert store.reads == []


def test_lists_are_kept_within_their_limit(sample: Sample) -> None:
    reader = FileReader(Blobs(sample.world.store), lists=300_000)
    for at in range(0, len(sample.plain), 997):
        assert reader.read(sample.entry, at, 10) == sample.plain[at : at + 10]
    assert 0 < reader._lists.size <= 300_000


def test_a_file_of_three_levels_is_read_at_random(world: World) -> None:
    writer = world.writer()
    pool = [(raw := noise(n, 1 + n % 30), writer.put_chunk(raw)) for n in range(3000)]
    chosen = random.Random(2).choices(pool, k=120_000)
    chunks = ListWriter(writer.put_page)
    for raw, ref in chosen:
        chunks.add(ref, len(raw))
    content = chunks.finish()
    writer.flush()
    assert content.level == 2
    plain = b"".join(raw for raw, _ in chosen)
    file, reader, rnd = entry(content, len(plain)), world.reader(), random.Random(3)
    for _ in range(200):
        start = rnd.randrange(len(plain))
        assert reader.read(file, start, 300) == plain[start : start + 300]
    assert b"".join(reader.stream(file)) == plain


@pytest.mark.parametrize("size", [0, 1, 512])
def test_an_inline_file_is_read_from_its_entry(world: World, size: int) -> None:
    data = noise(1, size)
    reader, file = world.reader(), entry(data, size)
    assert [reader.read(file, at, 100) for at in (0, 400, 600)] == [data[at : at + 100] for at in (0, 400, 600)]
    assert b"".join(reader.stream(file)) == data
    assert list(reader.chunks(file)) == []


def test_a_hole_of_a_tebibyte_is_streamed_and_read_without_being_held(world: World) -> None:
    size = (1 << 40) + 3
    writer = world.writer()
    ref = writer.put_chunk(b"end")
    writer.flush()
    file = entry(ChunkList((hole(1 << 40), ref)), size)
    reader = world.reader()
    assert reader.read(file, size - 5, 100) == b"\0\0end"
    assert reader.read(file, 1 << 39, 3) == bytes(3)
    stream = reader.stream(file)
    assert all(next(stream) == bytes(4 << 20) for _ in range(5))
    stream.close()


def test_a_stream_reads_ahead_in_large_requests_and_stops_when_closed(counting: World) -> None:
    store = counting.store
    assert isinstance(store, CountingStore)
    writer = counting.writer()
    data = noise(5, 50 << 20)
    digest, content = writer.put_bytes(data)
    writer.flush()
    file = entry(content, len(data), digest)
    assert digest_of(b"".join(counting.reader().stream(file))) == digest
    assert len(store.reads) <= 8
    store.reads.clear()
    stream = counting.reader().stream(file)
    next(stream)
    stream.close()
    assert len(store.reads) <= 4


def refs_to(world: World) -> tuple[BlobRef, BlobRef]:
    writer = world.writer()
    found = writer.put_chunk(b"one"), writer.put_chunk(b"three")
    writer.flush()
    return found


def contradictions(world: World) -> Iterator[tuple[str, Entry]]:
    one, three = refs_to(world)
    writer = world.writer()
    page = writer.put_page(*encode_list([one, three], [3, 5], level=0))
    above = writer.put_page(*encode_list([page], [8], level=1))
    writer.flush()
    yield "inline too short", entry(b"ab", 3)
    yield "inline too long", entry(b"abcd", 3)
    yield "chunks too short", entry(ChunkList((one, three)), 9)
    yield "chunks too long", entry(ChunkList((one, three)), 7)
    yield "no chunks", entry(ChunkList(()), 8)
    yield "fewer spans", entry(ChunkList((page, page), 1, (8,)), 8)
    yield "an empty span", entry(ChunkList((page, page), 1, (8, 0)), 8)
    yield "a negative span", entry(ChunkList((page, page), 1, (9, -1)), 8)
    yield "a span that the page does not have", entry(ChunkList((page,), 1, (9,)), 9)
    yield "a level too high", entry(ChunkList((page,), 2, (8,)), 8)
    yield "a level too low", entry(ChunkList((above,), 1, (8,)), 8)
    yield "a level that no file needs", entry(ChunkList((page,), 60, (8,)), 8)
    yield "a negative level", entry(ChunkList((page,), -1, (8,)), 8)
    yield "a chunk as a page", entry(ChunkList((one,), 1, (3,)), 3)
    yield "a chunk with the id of another", entry(ChunkList((msgspec.structs.replace(one, digest=three.digest),)), 3)
    yield "a chunk without a pack", entry(ChunkList((msgspec.structs.replace(one, pack=b""),)), 3)
    yield "another length", entry(ChunkList((msgspec.structs.replace(one, length=4),)), 4)


def test_sizes_levels_and_references_that_contradict_each_other_are_refused(world: World) -> None:
    for what, file in contradictions(world):
        for read in (lambda file: world.reader().read(file, 0, 100), lambda file: list(world.reader().stream(file))):
            with pytest.raises(Corrupt):
                pytest.fail(f"{what}: read as {read(file)!r}")


def test_more_levels_than_any_file_needs_are_refused(world: World) -> None:
    page, _ = refs_to(world)
    writer = world.writer()
    for level in range(9):
        page = writer.put_page(*encode_list([page], [3], level=level))
        writer.flush()
        file = entry(ChunkList((page,), level + 1, (3,)), 3)
        if level < 7:
            assert world.reader().read(file, 0, 3) == b"one"
        else:
            with pytest.raises(Corrupt):
                world.reader().read(file, 0, 3)


def test_a_damaged_list_page_spoils_its_part_only(tmp_path: Path) -> None:
    world = World(tmp_path)
    writer = world.writer()
    chunks, raws = ListWriter(writer.put_page), [noise(n, 20) for n in range(3000)]
    for raw in raws:
        chunks.add(writer.put_chunk(raw), 20)
    content = chunks.finish()
    writer.flush()
    file, bad = entry(content, 60_000), content.refs[1]
    key = pack_key(bad.pack)
    replace(world.store, key, flipped(world.store.get(key), bad.offset + 40))
    first = content.spans[0]
    assert world.reader().read(file, 0, first) == b"".join(raws)[:first]
    with pytest.raises(Corrupt, match=f"^pack {bad.pack.hex()} at {bad.offset}: "):
        world.reader().read(file, first, 1)
    after = first + content.spans[1]
    assert world.reader().read(file, after, 100) == b"".join(raws)[after : after + 100]
