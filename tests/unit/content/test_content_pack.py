from __future__ import annotations

import struct
from contextlib import suppress

import msgspec
import pytest
from content_world import World, flipped, noise, replace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from vfs.content.blobs import Blobs
from vfs.content.check import check_pack
from vfs.content.limits import PACK_MAX
from vfs.content.pack import pack_key, pack_of_key, read_index
from vfs.content.pack_index import CHUNK, PAGE
from vfs.errors import Corrupt, ObjectMissing, VfsError
from vfs.model.entry import BlobRef
from vfs.model.ids import digest_of

A_PACK = "packs/ab/" + "ab" * 16
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def small_pack(world: World) -> tuple[str, list[BlobRef], list[bytes]]:
    raws = [noise(1, 40), b"abc" * 30, b"x", noise(2, 100)]
    writer = world.writer()
    refs = [writer.put_chunk(raw) for raw in raws]
    writer.flush()
    (key,) = world.packs()
    return key, refs, raws


def test_a_pack_says_what_it_holds(world: World) -> None:
    key, refs, raws = small_pack(world)
    entries = read_index(world.store, key)
    assert [entry.ref for entry in entries] == refs
    assert [entry.ref.digest for entry in entries] == list(map(digest_of, raws))
    assert {entry.kind for entry in entries} == {CHUNK}
    assert list(check_pack(world.store, refs[0].pack)) == []


def test_the_layout_is_the_documented_one(world: World) -> None:
    key, refs, raws = small_pack(world)
    data = world.store.get(key)
    length, guard, magic = struct.unpack("<QQ8s", data[-24:])
    index = data[-24 - length : -24]
    assert (data[:8], magic, guard) == (b"vfspack1", b"vfspackI", xxh3_64_intdigest(index))
    assert refs[0].offset == 8 and data[8] == 0 and data[9 : 9 + 40] == raws[0]
    digests, kinds, offsets, stored, lengths, guards, checks = msgspec.msgpack.decode(index)
    assert digests == b"".join(map(digest_of, raws)) and kinds == bytes(4 * [CHUNK]) and guards == bytes(32)
    assert struct.unpack("<4Q", offsets) == tuple(ref.offset for ref in refs)
    assert struct.unpack("<4I", stored) == tuple(ref.stored for ref in refs)
    assert struct.unpack("<4I", lengths) == tuple(map(len, raws))
    assert struct.unpack("<4Q", checks)[0] == xxh3_64_intdigest(data[8:49])


def test_pages_and_chunks_lie_in_packs_of_their_own_in_the_order_of_the_calls(world: World) -> None:
    writer = world.writer()
    chunks, pages = [], []
    for n in range(20):
        chunks.append(writer.put_chunk(noise(n, 1000)))
        pages.append(writer.put_page(noise(-n - 1, 500), b"where"))
    writer.flush()
    kinds = {}
    for key in world.packs():
        entries = read_index(world.store, key)
        (kinds[entries[0].kind],) = [[entry.ref for entry in entries]]
        assert list(check_pack(world.store, entries[0].ref.pack)) == []
    assert kinds == {CHUNK: chunks, PAGE: pages}


def test_no_pack_passes_its_limit_and_all_are_named_by_their_key(world: World) -> None:
    writer = world.writer()
    for n in range(40):
        writer.put_chunk(noise(n, 4 << 20))
    writer.flush()
    sizes = [info.size for info in world.store.list("packs/")]
    assert len(sizes) == 3 and max(sizes) <= PACK_MAX
    assert all(pack_key(pack_of_key(key) or b"") == key for key in world.packs())


def test_a_blob_of_the_largest_size_gets_a_pack_that_holds_it(world: World) -> None:
    writer = world.writer()
    ref = writer.put_chunk(noise(1, 64 << 20))
    writer.flush()
    assert digest_of(Blobs(world.store).get(ref)) == ref.digest
    assert list(check_pack(world.store, ref.pack)) == []


@shared
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_in_a_pack_is_found_and_no_wrong_byte_is_read(world: World, at: float, bit: int) -> None:
    if not world.packs():
        small_pack(world)
    key = world.packs()[0]
    good = world.store.get(key)
    refs = [entry.ref for entry in read_index(world.store, key)]
    replace(world.store, key, flipped(good, int(at * len(good)), bit))
    try:
        with pytest.raises(Corrupt, match=refs[0].pack.hex()):
            for error in check_pack(world.store, refs[0].pack):
                raise error
        for ref in refs:
            try:
                assert digest_of(Blobs(world.store).get(ref)) == ref.digest
            except Corrupt as error:
                assert str(error).startswith(f"pack {ref.pack.hex()} at {ref.offset}: ")
    finally:
        replace(world.store, key, good)


def test_a_pack_cut_short_anywhere_is_refused(world: World) -> None:
    key, refs, _ = small_pack(world)
    good = world.store.get(key)
    for length in range(1, len(good)):
        replace(world.store, key, good[:length])
        with pytest.raises(Corrupt, match=refs[0].pack.hex()):
            read_index(world.store, key)


def test_each_damaged_blob_is_named_and_the_others_are_not(world: World) -> None:
    key, refs, _ = small_pack(world)
    good = world.store.get(key)
    bad = flipped(flipped(good, refs[0].offset + 3), refs[3].offset)
    replace(world.store, key, bad)
    found = [str(error) for error in check_pack(world.store, refs[0].pack)]
    assert found == [f"pack {ref.pack.hex()} at {ref.offset}: stored bytes are damaged" for ref in (refs[0], refs[3])]


def sealed(index: bytes, *, blobs: bytes = b"", length: int | None = None) -> bytes:
    footer = struct.pack("<QQ8s", len(index) if length is None else length, xxh3_64_intdigest(index), b"vfspackI")
    return b"vfspack1" + blobs + index + footer


@pytest.mark.parametrize("length", [2**64 - 1, 2**40, 65 << 20, 1000])
def test_an_index_that_claims_more_than_the_pack_has_is_refused(world: World, length: int) -> None:
    world.store.put(A_PACK, sealed(b"", length=length))
    with pytest.raises(Corrupt, match="claims an index of"):
        read_index(world.store, A_PACK)


@pytest.mark.parametrize(
    "index",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\x97\xc6\xff\xff\xff\xff" + bytes(50),
        b"\x97" + b"\xc0" * 7,
        b"\xc0",
        b"",
        msgspec.msgpack.encode([b"d" * 32, b"", b"", b"", b"", b"", b""]),
        msgspec.msgpack.encode([b"", b"\1" * 1000, b"", b"", b"", b"", b""]),
        msgspec.msgpack.encode([b"d" * 32, b"\1", bytes(8), bytes(4), bytes(4), bytes(8), bytes(8)]),
        msgspec.msgpack.encode([b"d" * 32, b"\1", b"\x08" + bytes(7), b"\xff" * 4, b"\xff" * 4, bytes(8), bytes(8)]),
        msgspec.msgpack.encode([b"d" * 32, b"\3", b"\x08" + bytes(7), b"\1\0\0\0", b"\1\0\0\0", bytes(8), bytes(8)]),
    ],
)
def test_an_index_of_another_shape_is_refused(world: World, index: bytes) -> None:
    world.store.put(A_PACK, sealed(index, blobs=b"x"))
    with pytest.raises(Corrupt, match=f"pack {'ab' * 16}"):
        read_index(world.store, A_PACK)


@shared
@given(index=st.binary(max_size=300))
def test_any_index_is_read_or_corrupt(world: World, index: bytes) -> None:
    replace(world.store, A_PACK, sealed(index))
    with suppress(Corrupt):
        assert list(read_index(world.store, A_PACK)) == []


def test_a_pack_that_is_not_there_is_missing_and_other_keys_are_no_packs(world: World) -> None:
    with pytest.raises(ObjectMissing):
        read_index(world.store, A_PACK)
    for key in ("packs/ab/cd", "packs/cd/" + "ab" * 16, "packs/" + "ab" * 16, "packs/ab/" + "AB" * 16, "vfs.json"):
        assert pack_of_key(key) is None
        with pytest.raises(VfsError):
            read_index(world.store, key)
