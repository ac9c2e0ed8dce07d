"""Parts of chunks: had without the rest, and never wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from content_world import CountingStore, HeldRanges, World, entry, flipped, noise, replace
from hypothesis import given, settings
from hypothesis import strategies as st

from vfs.content.blobs import Blobs
from vfs.content.frames import FRAME
from vfs.content.guards import BLOCK, Guards
from vfs.content.jumps import LONE_MAX, RUN_MIN, Jumps
from vfs.content.limits import MIB
from vfs.content.pack import pack_key
from vfs.content.reader import FileReader
from vfs.errors import Corrupt
from vfs.model.entry import BlobRef, ChunkList, Entry
from vfs.store.local import LocalStore

SIZE = 5 * BLOCK + 1234
GUARDS = MIB


class NotedStore(LocalStore):
    """A local store that notes what is read of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads: list[tuple[int, int | None]] = []

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        self.reads.append((start, length))
        return super().get(key, start=start, length=length)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[World]:
    store = NotedStore(tmp_path)
    yield World(tmp_path, store)
    store.close()


def put(world: World, raw: bytes) -> BlobRef:
    writer = world.writer()
    ref = writer.put_chunk(raw)
    writer.flush()
    return ref


def verified(world: World, ref: BlobRef, *, guards: int = GUARDS) -> Blobs:
    """Blobs that read a chunk once and have no memory to keep it."""
    blobs = Blobs(world.store, memory=10, guards=guards)
    blobs.get(ref)
    if isinstance(world.store, NotedStore):
        world.store.reads.clear()
    return blobs


def test_a_part_takes_the_blocks_around_it_and_no_more(local: World) -> None:
    ref = put(local, noise(1, SIZE))
    assert isinstance(local.store, NotedStore)
    blobs = verified(local, ref)
    assert blobs.part(ref, BLOCK + 5, 100) == noise(1, SIZE)[BLOCK + 5 : BLOCK + 105]
    assert blobs.part(ref, 5 * BLOCK - 1, 1235) == noise(1, SIZE)[5 * BLOCK - 1 :]
    at = ref.offset + 1
    assert local.store.reads == [(at + BLOCK, BLOCK), (at + 4 * BLOCK, BLOCK + 1234)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, SIZE - 1), st.integers(1, SIZE))
def test_any_part_is_that_of_the_chunk(tmp_path_factory: pytest.TempPathFactory, skip: int, length: int) -> None:
    root = tmp_path_factory.mktemp("parts")
    world = World(root, LocalStore(root))
    ref = put(world, noise(2, SIZE))
    length = min(length, SIZE - skip)
    part = verified(world, ref).part(ref, skip, length)
    assert part == noise(2, SIZE)[skip : skip + length]
    world.store.close()


def test_nothing_is_known_of_a_chunk_that_was_not_verified_or_without_room(local: World) -> None:
    ref = put(local, noise(1, SIZE))
    assert Blobs(local.store, memory=10, guards=GUARDS).part(ref, 0, 10) is None
    assert verified(local, ref, guards=0).part(ref, 0, 10) is None


def lines(count: int) -> bytes:
    """Text that compresses, no line like another, and in one piece not much better than in many."""
    return b"".join(noise(n, 8).hex().encode() + b" is line %d\n" % n for n in range(count))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 70_000), st.integers(1, 70_000))
def test_a_part_of_a_compressed_chunk_is_decompressed_and_checked(
    tmp_path_factory: pytest.TempPathFactory, skip: int, length: int
) -> None:
    root = tmp_path_factory.mktemp("compressed")
    world = World(root, NotedStore(root))
    raw = lines(4000)
    ref = put(world, raw)
    assert ref.stored < ref.length
    blobs = verified(world, ref)
    length = min(length, len(raw) - skip)
    assert blobs.part(ref, skip, length) == raw[skip : skip + length]
    assert isinstance(world.store, NotedStore)
    assert world.store.reads == [(ref.offset, ref.stored)]
    world.store.close()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400_000), st.integers(1, 140_000))
def test_a_part_of_a_chunk_in_frames_takes_the_frames_around_it(
    tmp_path_factory: pytest.TempPathFactory, skip: int, length: int
) -> None:
    root = tmp_path_factory.mktemp("frames")
    world = World(root, NotedStore(root))
    raw = lines(14_000)
    ref = put(world, raw)
    assert isinstance(world.store, NotedStore)
    assert world.store.get(pack_key(ref.pack), start=ref.offset, length=1) == b"\2"
    blobs = verified(world, ref)
    length = min(length, len(raw) - skip)
    assert blobs.part(ref, skip, length) == raw[skip : skip + length]
    ((_, taken),) = world.store.reads
    assert taken is not None and taken < (length + 2 * BLOCK + 2 * FRAME) * 2 / 3
    world.store.close()


@pytest.mark.parametrize("count", [4_000, 20_000])
def test_a_damaged_compressed_chunk_is_never_shown_in_part(local: World, tmp_path: Path, count: int) -> None:
    raw = lines(count)
    ref = put(local, raw)
    blobs = verified(local, ref)
    path = tmp_path / pack_key(ref.pack)
    good = path.read_bytes()
    for at in (0, 1, 2, 9, ref.stored // 2, ref.stored - 1):
        path.write_bytes(flipped(good, ref.offset + at))
        for skip in range(0, len(raw) - 100, 3 * BLOCK):
            assert blobs.part(ref, skip, 100) in (None, raw[skip : skip + 100])
    # Of frames one is damaged, and the others are sound; one frame is one block here, and damaged as a whole.
    assert blobs.part(ref, 0, 100) == (raw[:100] if count > 4_000 else None)
    os.truncate(path, ref.offset + 3)
    assert blobs.part(ref, 0, 100) is None
    another = put(local, lines(100) * 50)
    assert blobs.part(msgspec.structs.replace(another, digest=ref.digest, length=ref.length), 0, 100) is None


def test_a_chunk_in_memory_is_not_read_again(local: World) -> None:
    ref = put(local, noise(1, SIZE))
    assert isinstance(local.store, NotedStore)
    blobs = Blobs(local.store, guards=GUARDS)
    blobs.get(ref)
    local.store.reads.clear()
    assert blobs.part(ref, 70, 10) == noise(1, SIZE)[70:80]
    assert local.store.reads == []


def test_a_damaged_block_is_never_shown(local: World, tmp_path: Path) -> None:
    ref = put(local, noise(1, SIZE))
    blobs = verified(local, ref)
    path = tmp_path / pack_key(ref.pack)
    good = path.read_bytes()
    path.write_bytes(flipped(good, ref.offset + 1 + 2 * BLOCK + 9))
    assert blobs.part(ref, BLOCK, 10) == noise(1, SIZE)[BLOCK : BLOCK + 10]
    assert blobs.part(ref, 2 * BLOCK, 10) is None
    with pytest.raises(Corrupt):
        blobs.get(ref)
    path.write_bytes(good)
    assert blobs.part(ref, 2 * BLOCK, 10) == noise(1, SIZE)[2 * BLOCK : 2 * BLOCK + 10]
    os.truncate(path, ref.offset + 100)
    assert blobs.part(ref, 2 * BLOCK, 10) is None
    path.unlink()
    assert blobs.part(ref, 2 * BLOCK, 10) is None


def test_another_place_or_length_of_a_chunk_gives_its_bytes_or_nothing(local: World) -> None:
    ref = put(local, noise(1, SIZE))
    blobs = verified(local, ref)
    for change in ({"offset": ref.offset + 1}, {"offset": 1 << 40}, {"length": SIZE - 1, "stored": SIZE}):
        assert blobs.part(msgspec.structs.replace(ref, **change), 0, 10) is None
    with pytest.raises(Corrupt):
        blobs.part(msgspec.structs.replace(ref, offset=1 << 62), 0, 10)


def test_of_a_store_far_away_parts_come_from_the_cache_alone(counting: World) -> None:
    ref, cache = put(counting, noise(1, SIZE)), HeldRanges()
    store = counting.store
    assert isinstance(store, CountingStore)
    blobs = Blobs(store, memory=10, cache=cache, guards=GUARDS)
    blobs.get(ref)
    store.reads.clear()
    assert blobs.part(ref, BLOCK, 10) == noise(1, SIZE)[BLOCK : BLOCK + 10]
    cache.held.clear()
    assert blobs.part(ref, BLOCK, 10) is None
    assert store.reads == []


def test_guards_stay_within_their_memory() -> None:
    guards = Guards(memory=4000)
    refs = [BlobRef(bytes((n,)) * 32, SIZE, b"p" * 16, 8, SIZE + 1) for n in range(50)]
    for ref in refs:
        guards.learn(ref, noise(1, SIZE), lambda: None)
    known = [ref for ref in refs if guards.known(ref) is not None]
    assert known == refs[-len(known) :] and 5 <= len(known) <= 20


def large(world: World, size: int) -> Entry:
    writer = world.writer()
    pieces = range(0, size, MIB)
    refs = tuple(writer.put_chunk(noise(n, MIB)) for n, _ in enumerate(pieces))
    writer.flush()
    return entry(ChunkList(refs), size, b"f" * 32)


def test_a_reader_that_jumps_takes_parts_and_one_that_reads_on_takes_chunks(local: World) -> None:
    file = large(local, 4 * MIB)
    plain = b"".join(noise(n, MIB) for n in range(4))
    assert isinstance(local.store, NotedStore)
    blobs = Blobs(local.store, memory=3 * MIB, guards=GUARDS)
    reader = FileReader(blobs)
    assert b"".join(reader.stream(file)) == plain
    local.store.reads.clear()
    for at in (700_000, 5000, MIB - 2000, 300_000):
        assert reader.view(file, at, 4096) == plain[at : at + 4096]
    assert all(length is not None and length <= 2 * BLOCK for _, length in local.store.reads)
    local.store.reads.clear()
    for at in range(0, MIB, 32 * 1024):
        assert reader.view(file, at, 32 * 1024) == plain[at : at + 32 * 1024]
    assert max(length or 0 for _, length in local.store.reads) > MIB - 1
    assert len(local.store.reads) < 12


def test_who_reads_on_is_told_from_who_jumps_also_when_they_take_turns() -> None:
    jumps, step = Jumps(), 16 * 1024
    on = [jumps.lone(b"f", at, at + step) for at in range(0, 2 * RUN_MIN, step)]
    assert on == [True] * (RUN_MIN // step - 1) + [False] * (len(on) - RUN_MIN // step + 1)
    assert jumps.lone(b"f", 2 * RUN_MIN - step, 2 * RUN_MIN) is False, "the same read again"
    assert jumps.lone(b"f", 900 * MIB, 900 * MIB + step) is True
    assert jumps.lone(b"f", 2 * RUN_MIN, 2 * RUN_MIN + step) is False
    assert jumps.lone(b"g", 2 * RUN_MIN, 2 * RUN_MIN + step) is True
    assert jumps.lone(b"f", 500 * MIB, 500 * MIB + LONE_MAX + 1) is False


def test_a_damaged_part_is_put_right_by_the_whole_chunk(counting: World) -> None:
    ref, cache = put(counting, noise(1, SIZE)), HeldRanges()
    file = entry(ChunkList((ref,)), SIZE, ref.digest)
    reader = FileReader(Blobs(counting.store, memory=10, cache=cache, guards=GUARDS))
    assert reader.read(file, 0, SIZE) == noise(1, SIZE)
    ((where, held),) = cache.held.items()
    cache.held[where] = flipped(held, 1 + BLOCK)
    assert reader.view(file, BLOCK, 20) == noise(1, SIZE)[BLOCK : BLOCK + 20]
    assert cache.held[where] == held
    replace(counting.store, pack_key(ref.pack), flipped(counting.store.get(pack_key(ref.pack)), ref.offset + 9))
    cache.held.clear()
    with pytest.raises(Corrupt):
        reader.view(file, BLOCK, 20)


def test_a_read_within_a_chunk_is_a_view_of_it_and_a_chunk_of_a_local_store_is_not_copied(local: World) -> None:
    file = large(local, 3 * MIB)
    blobs = Blobs(local.store)
    reader = FileReader(blobs)
    assert isinstance(local.store, NotedStore) and isinstance(file.content, ChunkList)
    ref = file.content.refs[1]
    local.store.reads.clear()
    view = reader.view(file, MIB + 7, 100)
    assert isinstance(view, memoryview) and view.obj is blobs.get(ref)
    assert reader.view(file, MIB, MIB) is blobs.get(ref)
    assert reader.read(file, MIB + 7, 100) == noise(1, MIB)[7:107]
    assert reader.view(file, MIB - 3, 6) == noise(0, MIB)[-3:] + noise(1, MIB)[:3]
    # Without the codec byte: what is read is what is kept.
    assert local.store.reads[0] == (ref.offset + 1, ref.length)


def test_a_damaged_codec_byte_is_found_although_the_content_is_whole(local: World, tmp_path: Path) -> None:
    ref = put(local, noise(1, MIB))
    path = tmp_path / pack_key(ref.pack)
    path.write_bytes(flipped(path.read_bytes(), ref.offset, 3))
    with pytest.raises(Corrupt, match="stored blob has codec 8"):
        Blobs(local.store).get(ref)


def test_a_compressed_chunk_whose_reference_claims_to_be_plain_is_refused(local: World) -> None:
    ref = put(local, b"text " * MIB)
    claimed = msgspec.structs.replace(ref, stored=ref.length + 1)
    with pytest.raises(Corrupt):
        Blobs(local.store).get(claimed)
    assert Blobs(local.store).get(ref) == b"text " * MIB


def test_what_can_only_be_read_whole_stays_in_memory_longer(local: World) -> None:
    frames, whole = lines(14_000), lines(3_000) * 4
    pieces = [put(local, whole), put(local, frames)]
    blobs = Blobs(local.store, memory=2 * MIB, guards=GUARDS)
    for ref in pieces:
        blobs.get(ref)
    for number in range(10, 20):
        blobs.get(put(local, noise(number, 200_000)))
    assert isinstance(local.store, NotedStore)
    local.store.reads.clear()
    assert blobs.part(pieces[0], 7, 9) == whole[7:16] and not local.store.reads
    assert blobs.part(pieces[1], 7, 9) == frames[7:16] and local.store.reads


def test_a_chunk_read_again_whole_fits_its_guard_or_is_refused(local: World, tmp_path: Path) -> None:
    raw = noise(5, 300_000)
    ref = put(local, raw)
    blobs, guards = verified(local, ref), Guards(memory=GUARDS)
    assert blobs.get(ref) == raw
    assert not guards.intact(ref, raw)
    guards.learn(ref, raw, lambda: None)
    assert guards.intact(ref, raw)
    assert not guards.intact(ref, flipped(raw, 299_999)) and not guards.intact(ref, raw[:-1])
    assert not guards.intact(msgspec.structs.replace(ref, digest=bytes(32)), raw)
    path = tmp_path / pack_key(ref.pack)
    good = path.read_bytes()
    for at in (1, 150_000, len(raw)):
        path.write_bytes(flipped(good, ref.offset + at))
        with pytest.raises(Corrupt, match="does not hash"):
            blobs.get(ref)
    path.write_bytes(good)
    assert blobs.get(ref) == raw
    with pytest.raises(Corrupt):
        blobs.get(msgspec.structs.replace(ref, digest=bytes(32)))
