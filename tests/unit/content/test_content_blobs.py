from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import msgspec
import pytest
from content_world import CountingStore, HeldRanges, World, flipped, noise, replace
from hypothesis import given
from hypothesis import strategies as st

from vfs.content.blobs import Blobs
from vfs.content.limits import BLOB_MAX
from vfs.content.lru import ByteLRU
from vfs.content.pack import pack_key
from vfs.content.ranges import GAP_MAX, RANGE_MAX, join_ranges
from vfs.errors import Corrupt, ObjectMissing, StoreError
from vfs.model.entry import BlobRef


@pytest.fixture
def store(counting: World) -> CountingStore:
    assert isinstance(counting.store, CountingStore)
    return counting.store


def put(world: World, count: int, size: int = 1000) -> list[BlobRef]:
    writer = world.writer()
    refs = [writer.put_chunk(noise(n, size)) for n in range(count)]
    writer.flush()
    return refs


def test_neighbours_come_in_one_request_and_in_the_order_asked_for(counting: World, store: CountingStore) -> None:
    refs = put(counting, 50)
    wanted = [refs[30], refs[2], refs[3], refs[30], refs[49]]
    assert Blobs(store).get_many(wanted) == [noise(n, 1000) for n in (30, 2, 3, 30, 49)]
    end = refs[49].offset + refs[49].stored
    assert store.reads == [(pack_key(refs[0].pack), refs[2].offset, end - refs[2].offset)]
    assert Blobs(store).get_many([]) == []


def test_what_is_in_memory_is_not_read_again(counting: World, store: CountingStore) -> None:
    refs = put(counting, 3)
    blobs = Blobs(store)
    blobs.get(refs[1])
    blobs.get_many(refs)
    blobs.get_many(refs)
    assert [start for _, start, _ in store.reads] == [refs[1].offset, refs[0].offset]
    tiny = Blobs(store, memory=10)
    store.reads.clear()
    assert tiny.get(refs[0]) == tiny.get(refs[0])
    assert len(store.reads) == 2


refs_anywhere = st.lists(
    st.builds(
        lambda pack, offset, size: BlobRef(b"d" * 32, BLOB_MAX, bytes((pack,)) * 16, offset, size),
        st.integers(0, 2),
        st.integers(0, 60 << 20),
        st.integers(1, 6 << 20),
    ),
    max_size=30,
)


@given(refs_anywhere)
def test_ranges_cover_what_is_needed_and_little_else(refs: list[BlobRef]) -> None:
    spans = list(join_ranges(refs))
    assert sorted(map(msgspec.structs.astuple, refs)) == sorted(
        msgspec.structs.astuple(ref) for span in spans for ref in span.refs
    )
    for span in spans:
        assert span.length <= RANGE_MAX
        reached = span.start
        for ref in span.refs:
            assert ref.pack == span.pack and ref.offset <= reached + GAP_MAX
            reached = max(reached, ref.offset + ref.stored)
        assert reached == span.start + span.length
    for one, other in pairwise(spans):
        first, after = other.refs[0], other.refs[0].offset + other.refs[0].stored
        near = one.pack == first.pack and first.offset <= one.start + one.length + GAP_MAX
        assert not near or max(after, one.start + one.length) > one.start + RANGE_MAX


def test_many_threads_that_want_one_blob_read_it_once(counting: World, store: CountingStore) -> None:
    refs = put(counting, 4)
    blobs = Blobs(store)
    store.gate = threading.Event()
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(blobs.get_many, refs[:3])
        assert store.at_gate.acquire(timeout=60)
        others = [pool.submit(blobs.get, refs[n % 3]) for n in range(6)]
        mixed = pool.submit(blobs.get_many, refs)
        assert store.at_gate.acquire(timeout=60)
        store.gate.set()
        assert first.result(60) == [noise(n, 1000) for n in range(3)]
        assert mixed.result(60) == [noise(n, 1000) for n in range(4)]
        assert [other.result(60) for other in others] == [noise(n % 3, 1000) for n in range(6)]
    assert len(store.reads) == 2


def test_a_damaged_blob_is_named_and_its_neighbours_can_be_read(counting: World, store: CountingStore) -> None:
    refs = put(counting, 3)
    key = pack_key(refs[0].pack)
    replace(store, key, flipped(store.get(key), refs[1].offset + 50))
    blobs = Blobs(store)
    message = f"^pack {refs[1].pack.hex()} at {refs[1].offset}: chunk does not hash to {refs[1].digest.hex()}$"
    with pytest.raises(Corrupt, match=message):
        blobs.get_many(refs)
    store.reads.clear()
    assert [blobs.get(refs[0]), blobs.get(refs[2])] == [noise(0, 1000), noise(2, 1000)]
    assert store.reads == []
    with pytest.raises(Corrupt, match=message):
        blobs.get(refs[1])


def test_a_damaged_page_is_named(world: World) -> None:
    writer = world.writer()
    ref = writer.put_page(noise(1, 100), b"where")
    writer.flush()
    assert Blobs(world.store).get_page(ref).location == b"where"
    key = pack_key(ref.pack)
    replace(world.store, key, flipped(world.store.get(key), ref.offset + ref.stored - 1))
    with pytest.raises(Corrupt, match=f"^pack {ref.pack.hex()} at {ref.offset}: locations in the page are damaged"):
        Blobs(world.store).get_page(ref)


def test_a_pack_that_is_gone_or_cut_or_swapped_is_an_error(world: World) -> None:
    refs = put(world, 2)
    other = put(world, 3, size=500)[2]
    key, data = pack_key(refs[0].pack), world.store.get(pack_key(refs[0].pack))
    world.store.delete(key)
    with pytest.raises(ObjectMissing, match=refs[0].pack.hex()):
        Blobs(world.store).get(refs[0])
    world.store.put(key, data[: refs[1].offset + 10])
    assert Blobs(world.store).get(refs[0]) == noise(0, 1000)
    with pytest.raises(Corrupt, match="pack is truncated: 10 of 1001 bytes are there"):
        Blobs(world.store).get_many(refs)
    replace(world.store, key, world.store.get(pack_key(other.pack)))
    with pytest.raises(Corrupt, match=f"^pack {refs[0].pack.hex()} at "):
        Blobs(world.store).get(refs[0])


GOOD = BlobRef(b"d" * 32, 100, b"p" * 16, 8, 50)


@pytest.mark.parametrize(
    "change",
    [
        {"digest": b""},
        {"digest": b"d" * 31},
        {"pack": b""},
        {"pack": b"p" * 17},
        {"length": 0},
        {"length": -1},
        {"length": BLOB_MAX + 1},
        {"length": 1 << 60},
        {"offset": -1},
        {"offset": 1 << 62},
        {"stored": 0},
        {"stored": -5},
        {"stored": 102},
        {"stored": 1 << 40},
    ],
)
def test_a_reference_that_cannot_be_right_is_refused_before_anything_is_asked(
    store: CountingStore, change: dict[str, object]
) -> None:
    ref = msgspec.structs.replace(GOOD, **change)
    blobs = Blobs(store)
    for _ in range(2):
        with pytest.raises(Corrupt, match=f"^pack {ref.pack.hex()} at {ref.offset}: reference "):
            blobs.get_many([GOOD, ref])
        with pytest.raises(Corrupt):
            blobs.get_page(ref)
    assert store.reads == []


def test_a_failed_read_is_tried_anew_by_the_next_who_asks(counting: World, store: CountingStore) -> None:
    refs = put(counting, 1)
    blobs = Blobs(store)
    key, data = pack_key(refs[0].pack), store.get(pack_key(refs[0].pack))
    store.delete(key)
    with pytest.raises(ObjectMissing):
        blobs.get(refs[0])
    store.put(key, data)
    assert blobs.get(refs[0]) == noise(0, 1000)


def test_an_interrupted_read_leaves_nobody_waiting(
    counting: World, store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ref,) = put(counting, 1)
    blobs = Blobs(store)
    started, stop = threading.Event(), threading.Event()

    def interrupted(key: str, *, start: int = 0, length: int | None = None) -> bytes:
        started.set()
        assert stop.wait(60)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool, monkeypatch.context() as patch:
        patch.setattr(store, "get", interrupted)
        first = pool.submit(blobs.get, ref)
        assert started.wait(60)
        second = pool.submit(blobs.get, ref)
        stop.set()
        assert isinstance(first.exception(60), KeyboardInterrupt)
        assert isinstance(second.exception(60), (StoreError, KeyboardInterrupt))
    assert blobs.get(ref) == noise(0, 1000)


def test_a_cache_is_asked_first_and_gets_what_was_right(counting: World, store: CountingStore) -> None:
    refs = put(counting, 5)
    cache = HeldRanges()
    assert Blobs(store, cache=cache).get_many(refs) == [noise(n, 1000) for n in range(5)]
    store.reads.clear()
    assert Blobs(store, cache=cache).get(refs[3]) == noise(3, 1000)
    assert store.reads == []


def test_what_the_cache_holds_wrongly_is_read_from_the_store_again(counting: World, store: CountingStore) -> None:
    refs = put(counting, 3)
    cache = HeldRanges()
    blobs = store.get(pack_key(refs[0].pack))[8 : refs[2].offset + refs[2].stored]
    cache.put(refs[0].pack, refs[0].offset, flipped(blobs, refs[1].offset + 7))
    store.reads.clear()
    assert Blobs(store, cache=cache).get_many(refs) == [noise(n, 1000) for n in range(3)]
    assert [(start, length) for _, start, length in store.reads] == [(refs[1].offset, refs[1].stored)]
    Blobs(store, cache=cache).get_many(refs)
    store.reads.clear()
    assert Blobs(store, cache=cache).get_many(refs) == [noise(n, 1000) for n in range(3)]
    assert store.reads == []


def test_damaged_bytes_of_the_store_are_not_cached(counting: World, store: CountingStore) -> None:
    refs = put(counting, 2)
    cache = HeldRanges()
    key = pack_key(refs[0].pack)
    good = store.get(key)
    replace(store, key, flipped(good, refs[1].offset + 5))
    with pytest.raises(Corrupt):
        Blobs(store, cache=cache).get_many(refs)
    replace(store, key, good)
    assert Blobs(store, cache=cache).get_many(refs) == [noise(n, 1000) for n in range(2)]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), max_size=80))
def test_the_cache_in_memory_keeps_its_limit_and_the_newest(steps: list[tuple[int, int]]) -> None:
    cache: ByteLRU[int, int] = ByteLRU(100)
    model: dict[int, int] = {}
    for key, size in steps:
        if size % 3:
            cache.put(key, size, size)
            model.pop(key, None)
            model[key] = size
            while sum(model.values()) > 100:
                model.pop(next(iter(model)))
        elif cache.get(key) is not None:
            model[key] = model.pop(key)
        assert cache.size == sum(model.values()) <= 100
        assert all(size_of == model[held] for held, size_of in model.items())
    assert {key: cache.get(key) for key in range(10) if cache.get(key) is not None} == model


def test_a_value_over_the_limit_is_not_kept_and_pushes_nothing_out() -> None:
    cache: ByteLRU[str, int] = ByteLRU(100)
    cache.put("small", 1, 60)
    cache.put("large", 2, 101)
    assert (cache.get("small"), cache.get("large"), cache.size) == (1, None, 60)
    cache.clear()
    assert (cache.get("small"), cache.size) == (None, 0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60), st.booleans()), max_size=120))
def test_what_is_dear_stays_longer_up_to_half_of_the_limit(steps: list[tuple[int, int, bool]]) -> None:
    cache: ByteLRU[int, int] = ByteLRU(100)
    model: dict[int, tuple[int, bool]] = {}
    for key, size, dear in steps:
        if size % 3:
            cache.put(key, size, size, dear=dear)
            model.pop(key, None)
            model[key] = (size, dear)
            while sum(held for held, _ in model.values()) > 100:
                kept = sum(held for held, is_dear in model.values() if is_dear) <= 50
                cheap = [held for held, (_, is_dear) in model.items() if not is_dear]
                del model[cheap[0] if kept and cheap else next(iter(model))]
        elif cache.get(key) is not None:
            model[key] = model.pop(key)
        assert cache.size == sum(held for held, _ in model.values()) <= 100
    assert {key: cache.get(key) for key in range(10) if cache.get(key) is not None} == {
        k: s for k, (s, _) in model.items()
    }
