"""What comes damaged over the wire is asked for once more before a reader hears of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from content_world import CountingStore, HeldRanges, World, flipped, noise, replace

from vfs.content.blobs import Blobs
from vfs.content.pack import pack_key
from vfs.errors import Corrupt, StoreTimeout
from vfs.metrics.counters import Counter
from vfs.model.entry import BlobRef

Damage = Callable[[bytes], bytes]


class BadLine(CountingStore):
    """A store whose next answers pass through `damages`, one each; None fails."""

    def __init__(self) -> None:
        super().__init__()
        self.damages: list[Damage | None] = []

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        data = super().get(key, start=start, length=length)
        if not self.damages:
            return data
        damage = self.damages.pop(0)
        if damage is None:
            raise StoreTimeout(f"{key}: no answer")
        return damage(data)


@pytest.fixture
def store() -> BadLine:
    return BadLine()


@pytest.fixture
def refs(store: BadLine, world: World) -> list[BlobRef]:
    writer = World(world.index.parent / "bad", store).writer()
    found = [writer.put_chunk(noise(n, 1000)) for n in range(3)]
    writer.flush()
    return found


def flip(data: bytes) -> bytes:
    return flipped(data, 1500)


def cut(data: bytes) -> bytes:
    return data[:1500]


@pytest.mark.parametrize("damage", [flip, cut])
def test_a_damaged_answer_is_asked_for_again_alone(store: BadLine, refs: list[BlobRef], damage: Damage) -> None:
    refetched, cache = Counter(), HeldRanges()
    store.reads.clear()
    store.damages = [damage]
    blobs = Blobs(store, cache=cache, refetched=refetched)
    assert blobs.get_many(refs) == [noise(n, 1000) for n in range(3)]
    damaged = refs[1:] if damage is cut else refs[1:2]
    assert [start for _, start, _ in store.reads] == [refs[0].offset, refs[1].offset]
    assert store.reads[1][2] == sum(ref.stored for ref in damaged)
    assert refetched.value == 1
    assert Blobs(store, cache=cache).get_many(refs) == [noise(n, 1000) for n in range(3)]


def test_what_is_damaged_twice_is_corrupt_and_is_not_cached(store: BadLine, refs: list[BlobRef]) -> None:
    refetched, cache = Counter(), HeldRanges()
    store.damages = [flip, lambda data: flipped(data, 9)]
    with pytest.raises(Corrupt, match=f"^pack {refs[1].pack.hex()} at {refs[1].offset}: "):
        Blobs(store, cache=cache, refetched=refetched).get_many(refs)
    assert (refetched.value, store.damages) == (1, [])
    assert cache.get(refs[1].pack, refs[1].offset, refs[1].stored) is None
    assert Blobs(store, cache=cache).get_many(refs) == [noise(n, 1000) for n in range(3)]


def test_what_the_store_holds_damaged_costs_one_request_more_and_a_failed_one_none(
    store: BadLine, refs: list[BlobRef]
) -> None:
    key = pack_key(refs[0].pack)
    replace(store, key, flipped(store.get(key), refs[1].offset + 50))
    store.reads.clear()
    with pytest.raises(Corrupt):
        Blobs(store).get(refs[1])
    assert len(store.reads) == 2
    store.damages = [None]
    store.reads.clear()
    with pytest.raises(StoreTimeout):
        Blobs(store).get(refs[0])
    assert len(store.reads) == 1


def test_a_page_that_came_damaged_does_not_stay_in_the_cache(store: BadLine, world: World) -> None:
    writer = World(world.index.parent / "pages", store).writer()
    ref = writer.put_page(noise(7, 3000), b"where")
    writer.flush()
    cache, refetched = HeldRanges(), Counter()
    store.damages = [flip]
    assert Blobs(store, cache=cache, refetched=refetched).get_page(ref).logical == noise(7, 3000)
    assert refetched.value == 1
    store.reads.clear()
    assert Blobs(store, cache=cache).get_page(ref).logical == noise(7, 3000)
    assert store.reads == []
