from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from content_world import CountingStore, World, flipped, noise, replace

from vfs.content.known import KnownChunks
from vfs.content.known_rows import page_key
from vfs.content.page import location_guard
from vfs.errors import LocalIOError, ObjectMissing
from vfs.model.entry import BlobRef
from vfs.model.ids import digest_of


def stored(world: World, count: int, *, seed: int = 0) -> list[BlobRef]:
    writer = world.writer()
    refs = [writer.put_chunk(noise(seed + n, 600)) for n in range(count)]
    writer.flush()
    return refs


def found(known: KnownChunks, refs: list[BlobRef]) -> int:
    """How many of `refs` are known; what is found is right."""
    hits = [(ref, known.find(ref.digest)) for ref in refs]
    assert all(hit in (None, ref) for ref, hit in hits)
    return sum(hit is not None for _, hit in hits)


def test_an_index_made_anew_knows_all_that_the_packs_hold(world: World, tmp_path: Path) -> None:
    refs = stored(world, 50)
    writer = world.writer()
    page = writer.put_page(b"says", b"where")
    writer.flush()
    other = KnownChunks(tmp_path / "other" / "known.db", world.store)
    assert found(other, refs) == 50
    assert other.find(page_key(digest_of(b"says"), location_guard(b"where"))) == page
    assert other.find(page_key(digest_of(b"says"), location_guard(b"elsewhere"))) is None
    assert other.find(digest_of(b"unknown")) is None


def test_each_index_is_read_once(counting: World) -> None:
    assert isinstance(counting.store, CountingStore)
    stored(counting, 5)
    counting.known.sync()
    assert counting.store.reads == []
    other = KnownChunks(counting.index.parent / "other.db", counting.store)
    for _ in range(3):
        other.sync()
    assert len(counting.store.reads) == 1


def test_what_is_deleted_is_built_again(world: World) -> None:
    refs = stored(world, 20)
    world.known.close()
    for path in world.index.parent.glob("known.db*"):
        path.unlink()
    assert found(KnownChunks(world.index, world.store), refs) == 20


@pytest.mark.parametrize("damage", [b"", b"junk" * 5000, b"SQLite format 3\0" + b"\xff" * 9000])
def test_a_file_that_is_no_index_is_replaced(world: World, damage: bytes) -> None:
    refs = stored(world, 20)
    world.known.close()
    world.index.write_bytes(damage)
    assert found(KnownChunks(world.index, world.store), refs) == 20


def test_a_database_with_other_tables_is_replaced(world: World) -> None:
    import sqlite3

    refs = stored(world, 5)
    world.known.close()
    with sqlite3.connect(world.index) as db:
        db.execute("DROP TABLE blobs")
        db.execute("CREATE TABLE blobs (other TEXT)")
    db.close()
    assert found(KnownChunks(world.index, world.store), refs) == 5


def test_damage_while_the_file_is_open_does_not_stop_a_writer(world: World) -> None:
    refs = stored(world, 500)
    known = KnownChunks(world.index, world.store)
    assert found(known, refs) == 500
    world.known.close()
    size = world.index.stat().st_size
    with world.index.open("r+b") as file:
        file.write(b"\xee" * size)
    for path in world.index.parent.glob("known.db-*"):
        path.write_bytes(b"\xee" * path.stat().st_size)
    more = World(world.index.parent, world.store)
    assert len(stored(more, 100, seed=1000)) == 100
    assert found(more.known, refs) == 500


def test_a_damaged_row_is_never_believed(world: World) -> None:
    refs = stored(world, 300)
    world.known.close()
    good = world.index.read_bytes()
    rnd = random.Random(1)
    for _ in range(60):
        bad = good
        for _ in range(rnd.randint(1, 40)):
            bad = flipped(bad, rnd.randrange(100, len(good)), rnd.randrange(8))
        for path in world.index.parent.glob("known.db*"):
            path.unlink()
        world.index.write_bytes(bad)
        known = KnownChunks(world.index, world.store)
        assert found(known, refs) <= 300
        known.close()


def test_a_pack_that_vanished_is_forgotten_and_its_chunks_are_stored_again(world: World) -> None:
    refs = stored(world, 10)
    kept = stored(world, 10, seed=100)
    world.store.delete(next(key for key in world.packs() if key.endswith(refs[0].pack.hex())))
    world.known.sync()
    assert found(world.known, refs) == 0
    assert found(world.known, kept) == 10
    writer = world.writer()
    again = writer.put_chunk(noise(0, 600))
    writer.flush()
    assert again.pack != refs[0].pack and writer.stats.chunks_new == 1


def test_a_pack_that_vanishes_while_it_is_reused_fails_the_flush(world: World) -> None:
    refs = stored(world, 3)
    writer = world.writer()
    assert writer.put_chunk(noise(1, 600)) == refs[1]
    world.store.delete(world.packs()[0])
    for _ in range(2):
        with pytest.raises(ObjectMissing, match=f"^pack {refs[1].pack.hex()}: it vanished"):
            writer.flush()


def test_a_pack_that_another_process_adds_during_a_sync_is_not_forgotten(counting: World) -> None:
    store = counting.store
    assert isinstance(store, CountingStore)
    other = World(counting.index.parent, store)
    other.known.sync()
    refs: list[BlobRef] = []

    def add() -> None:
        store.listed = None
        refs.extend(stored(other, 3))

    store.listed = add
    counting.known.sync()
    assert len(refs) == 3 and found(counting.known, refs) == 3


@pytest.mark.expects_warnings("its blobs are not reused")
def test_a_pack_that_cannot_be_read_is_left_out_with_a_warning(world: World, tmp_path: Path) -> None:
    refs = stored(world, 3)
    kept = stored(world, 3, seed=100)
    key = next(key for key in world.packs() if key.endswith(refs[0].pack.hex()))
    replace(world.store, key, world.store.get(key)[:-30])
    world.store.put("packs/notes.txt", b"not a pack")
    other = KnownChunks(tmp_path / "other.db", world.store)
    assert found(other, refs) == 0
    assert found(other, kept) == 3


def test_an_index_that_cannot_be_written_is_a_clear_error(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file" / "known.db", tmp_path):
        with pytest.raises(LocalIOError, match="index of known chunks cannot be used"):
            KnownChunks(path, world.store).find(b"d" * 32)


def test_the_file_is_for_its_owner_alone(world: World) -> None:
    stored(world, 1)
    assert world.index.stat().st_mode & 0o777 == 0o600


def test_several_processes_share_one_index(tmp_path: Path) -> None:
    from vfs.store.local import LocalStore

    root = tmp_path / "store"
    root.mkdir()
    script = (
        "import sys, random\n"
        "from vfs.content.known import KnownChunks\n"
        "from vfs.content.writer import ContentWriter\n"
        "from vfs.store.local import LocalStore\n"
        "store = LocalStore(sys.argv[1]); known = KnownChunks(sys.argv[2], store)\n"
        "for n in range(8):\n"
        "    writer = ContentWriter(store, known)\n"
        "    for m in range(20):\n"
        "        writer.put_chunk(random.Random(int(sys.argv[3]) * 1000 + n * 20 + m).randbytes(600))\n"
        "    writer.flush(); known.sync()\n"
    )
    words = [sys.executable, "-c", script, str(root), str(tmp_path / "known.db")]
    processes = [subprocess.Popen([*words, str(n)], env=os.environ, stderr=subprocess.PIPE) for n in range(4)]
    for process in processes:
        _, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors
    known = KnownChunks(tmp_path / "known.db", LocalStore(root))
    digests = [digest_of(noise(n * 1000 + m, 600)) for n in range(4) for m in range(160)]
    assert all(known.find(digest) for digest in digests)
