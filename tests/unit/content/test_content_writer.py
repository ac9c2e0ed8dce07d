from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import pytest
from content_world import CountingStore, World, entry, noise, reading
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vfs.concurrency.pool import ordered_map
from vfs.content.check import check_pack
from vfs.content.limits import CHUNK_MIN
from vfs.content.pack import pack_of_key, read_index
from vfs.content.streams import Data, Hole, Segment
from vfs.errors import LocalIOError, Refused, StoreFull
from vfs.model.entry import INLINE_MAX, BlobRef, ChunkList
from vfs.model.ids import digest_of
from vfs.store.local import LocalStore

shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)


def text(size: int) -> bytes:
    return b"".join(b"line %d of a long text\n" % n for n in range(size // 15 + 1))[:size]


@pytest.mark.parametrize("size", [0, 1, INLINE_MAX, INLINE_MAX + 1, CHUNK_MIN - 1, CHUNK_MIN, CHUNK_MIN + 1, 9 << 20])
@pytest.mark.parametrize("make", [lambda size: noise(size, size), text])
def test_a_stream_and_bytes_and_a_sparse_file_store_the_same(
    world: World, size: int, make: Callable[[int], bytes]
) -> None:
    data = make(size)
    writer = world.writer()
    result = writer.put_stream(reading(data, repeat(70_000)))
    assert writer.put_bytes(data) == (result.digest, result.content)
    writer.flush()
    assert (result.digest, result.size) == (digest_of(data), size)
    assert isinstance(result.content, bytes) == (size <= INLINE_MAX)
    assert world.reader().read(entry(result.content, size), 0, size + 1) == data
    sparse = writer.put_sparse([Data(size, reading(data))])
    assert sparse.digest == result.digest
    assert size <= INLINE_MAX or sparse.content == result.content


def test_a_file_of_one_chunk_has_the_digest_of_the_chunk_and_no_pack_holds_inline_bytes(world: World) -> None:
    writer = world.writer()
    digest, content = writer.put_bytes(noise(1, 100_000))
    assert isinstance(content, ChunkList) and [ref.digest for ref in content.refs] == [digest]
    assert writer.put_bytes(b"x" * INLINE_MAX) == (digest_of(b"x" * INLINE_MAX), b"x" * INLINE_MAX)
    writer.flush()
    assert writer.stats.chunks_new == 1


@pytest.mark.parametrize("jobs", [1, 3, 8])
def test_chunks_lie_in_the_order_of_the_calls_whatever_the_threads(world: World, jobs: int) -> None:
    writer = world.writer(jobs)
    data = noise(2, 20 << 20)
    result = writer.put_stream(reading(data))
    small = [noise(n, 700) for n in range(300)]
    contents = [writer.put_prepared(file)[1] for file in ordered_map(writer.prepare_bytes, small, workers=4, ahead=20)]
    writer.flush()
    (key,) = world.packs()
    lists = [content for content in [result.content, *contents] if isinstance(content, ChunkList)]
    assert len(lists) == 301
    assert [found.ref for found in read_index(world.store, key)] == [ref for chunks in lists for ref in chunks.refs]


def test_equal_chunks_are_stored_once_within_a_writer_and_across_writers(world: World) -> None:
    writer = world.writer()
    refs = [writer.put_chunk(raw) for raw in (b"one", b"two", b"one")]
    assert refs[0] == refs[2] and writer.stats.chunks_reused == 1
    writer.flush()
    assert writer.put_chunk(b"two") == refs[1]
    other = world.writer()
    assert other.put_chunk(b"one") == refs[0]
    other.flush()
    assert (other.stats.chunks_new, other.stats.bytes_reused, other.stats.bytes_stored) == (0, 3, 0)
    assert len(world.packs()) == 1


def test_a_page_is_stored_again_only_when_it_points_elsewhere(world: World) -> None:
    writer = world.writer()
    here, there, again = writer.put_page(b"p", b"here"), writer.put_page(b"p", b"there"), writer.put_page(b"p", b"here")
    writer.flush()
    assert here == again and here != there and here.digest == there.digest == digest_of(b"p")
    other = world.writer()
    assert [other.put_page(b"p", at) for at in (b"here", b"there")] == [here, there]
    assert (other.stats.pages_new, other.stats.pages_reused) == (0, 2)


def test_a_chunk_with_the_digest_of_a_page_is_not_taken_for_it(world: World) -> None:
    writer = world.writer()
    page = writer.put_page(b"same", b"")
    chunk = writer.put_chunk(b"same")
    assert page.digest == chunk.digest and page != chunk
    writer.flush()
    assert world.reader().read(entry(ChunkList((chunk,)), 4), 0, 4) == b"same"


@pytest.mark.parametrize("raw", [b"", bytes((64 << 20) + 1)])
def test_a_chunk_of_an_impossible_size_is_refused(world: World, raw: bytes) -> None:
    with pytest.raises(Refused, match=f"chunk of {len(raw)} bytes"):
        world.writer().put_chunk(raw)


segments = st.lists(st.tuples(st.booleans(), st.integers(0, 3_000_000)), max_size=6)


@shared
@given(parts=segments)
def test_holes_are_kept_and_read_as_zeros(world: World, parts: list[tuple[bool, int]]) -> None:
    plain, given_parts = b"", list[Segment]()
    for n, (is_hole, size) in enumerate(parts):
        data = bytes(size) if is_hole else noise(n, size)
        given_parts.append(Hole(size) if is_hole else Data(size, reading(data)))
        plain += data
    writer = world.writer()
    result = writer.put_sparse(given_parts)
    writer.flush()
    assert (result.digest, result.size) == (digest_of(plain), len(plain))
    assert world.reader().read(entry(result.content, len(plain)), 0, len(plain)) == plain
    stored = sum(size for is_hole, size in parts if not is_hole)
    assert writer.stats.bytes_new + writer.stats.bytes_reused == stored


def test_neighbouring_holes_are_one_and_a_file_of_nothing_else_costs_a_reference(world: World) -> None:
    writer = world.writer()
    result = writer.put_sparse([Hole(1 << 28), Hole(0), Hole(5)])
    writer.flush()
    assert result.content == ChunkList((BlobRef(b"", (1 << 28) + 5, b"", 0, 0),))
    assert world.packs() == []
    assert writer.put_sparse([]).content == b""


def test_a_part_that_ends_early_is_an_error(world: World) -> None:
    with pytest.raises(LocalIOError, match="it ended 6 bytes early"):
        world.writer().put_sparse([Hole(10), Data(10, reading(b"four"))])


def test_an_error_of_the_source_reaches_the_caller_and_the_writer_goes_on(world: World) -> None:
    def failing() -> Iterator[int]:
        yield from repeat(1 << 20, 9)
        raise OSError(5, "the disk is gone")

    writer = world.writer()
    with pytest.raises(OSError, match="the disk is gone"):
        writer.put_stream(reading(noise(1, 20 << 20), failing()))
    digest, content = writer.put_bytes(noise(2, 1000))
    writer.flush()
    assert digest_of(world.reader().read(entry(content, 1000), 0, 1000)) == digest


def test_flush_returns_when_the_packs_are_durable_and_known_not_before(counting: World) -> None:
    store = counting.store
    assert isinstance(store, CountingStore)
    writer = counting.writer()
    ref = writer.put_chunk(noise(1, 1000))
    assert counting.known.find(ref.digest) is None
    store.gate = threading.Event()
    done = threading.Event()
    thread = threading.Thread(target=lambda: (writer.flush(), done.set()), daemon=True)
    thread.start()
    assert store.at_gate.acquire(timeout=60)
    assert not done.is_set() and counting.packs() == [] and counting.known.find(ref.digest) is None
    store.gate.set()
    assert done.wait(60)
    thread.join(60)
    assert counting.known.find(ref.digest) == ref and len(counting.packs()) == 1


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_pack_that_cannot_be_stored_ends_the_writer_and_is_not_known(counting: World, failing: int) -> None:
    store = counting.store
    assert isinstance(store, CountingStore)
    store.fail_put = failing
    writer = counting.writer()
    refs = []
    with pytest.raises(StoreFull, match="no space left"):
        for n in range(50):
            refs.append(writer.put_chunk(noise(n, 4 << 20)))
        writer.flush()
    for call in (writer.flush, lambda: writer.put_bytes(bytes(1000)), lambda: writer.put_page(b"p", b"")):
        with pytest.raises(StoreFull, match="no space left"):
            call()
    there = {key.rpartition("/")[2] for key in counting.packs()}
    assert len(there) == store.puts - 1
    for ref in refs:
        assert (counting.known.find(ref.digest) is not None) == (ref.pack.hex() in there)
    again = counting.writer()
    for n in range(len(refs)):
        again.put_chunk(noise(n, 4 << 20))
    again.flush()
    assert again.stats.chunks_reused == sum(ref.pack.hex() in there for ref in refs)


def test_an_unexpected_error_of_the_store_is_not_swallowed(counting: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(key: str, data: bytes) -> None:
        raise MemoryError

    monkeypatch.setattr(counting.store, "put", broken)
    writer = counting.writer()
    writer.put_chunk(b"x")
    with pytest.raises(MemoryError):
        writer.flush()


def test_flush_of_nothing_stores_nothing_and_a_flushed_writer_goes_on(world: World) -> None:
    writer = world.writer()
    writer.flush()
    assert world.packs() == []
    for n in range(3):
        writer.put_chunk(noise(n, 100))
        writer.flush()
    assert len(world.packs()) == 3
    writer.flush()
    assert len(world.packs()) == 3


def test_several_threads_may_put_at_once(world: World) -> None:
    writer = world.writer()
    files = [noise(n % 40, 3000) for n in range(400)]
    contents = list(ordered_map(writer.put_bytes, files, workers=8, ahead=50))
    writer.flush()
    reader = world.reader()
    for data, (_, content) in zip(files, contents, strict=True):
        assert reader.read(entry(content, 3000), 0, 3000) == data
    assert writer.stats.chunks_new == 40


def test_a_killed_writer_leaves_whole_packs_that_the_next_one_uses(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.mkdir()
    script = (
        "import random, sys\n"
        "from vfs.content.known import KnownChunks\n"
        "from vfs.content.writer import ContentWriter\n"
        "from vfs.store.local import LocalStore\n"
        "store = LocalStore(sys.argv[1]); writer = ContentWriter(store, KnownChunks(sys.argv[2], store))\n"
        "for n in range(100000):\n"
        "    writer.put_chunk(random.Random(n).randbytes(1000))\n"
        "    if n % 50 == 49: writer.flush(); print(n + 1, flush=True)\n"
    )
    words = [sys.executable, "-c", script, str(root), str(tmp_path / "known.db")]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        durable = [int(process.stdout.readline()) for _ in range(5)][-1]
        process.kill()
        process.wait(60)
    world = World(tmp_path, LocalStore(root))
    packs = [pack_of_key(key) or b"" for key in world.packs()]
    assert len(packs) >= 5
    assert [error for pack in packs for error in check_pack(world.store, pack)] == []
    writer = world.writer()
    for n in range(durable):
        writer.put_chunk(noise(n, 1000))
    writer.flush()
    assert writer.stats.chunks_new == 0


def test_a_long_stream_is_written_in_bounded_memory(tmp_path: Path) -> None:
    script = (
        "import random, resource, sys\n"
        "from vfs.content.known import KnownChunks\n"
        "from vfs.content.writer import ContentWriter\n"
        "from vfs.store.memory import MemoryStore\n"
        "class Sink(MemoryStore):\n"
        "    def put(self, key, data): assert len(data) <= 64 << 20\n"
        "pool, left = random.Random(1).randbytes(40 << 20), 1000 << 20\n"
        "def read(size):\n"
        "    global left\n"
        "    size = min(size, left, 1 << 20); left -= size\n"
        "    begin = left * 7919 % (39 << 20)\n"
        "    return pool[begin:begin + size]\n"
        "store = Sink(); writer = ContentWriter(store, KnownChunks(sys.argv[1], store), jobs=2)\n"
        "base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "result = writer.put_stream(read); writer.flush()\n"
        "assert result.size == 1000 << 20\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) >> 10)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "known.db")], capture_output=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    # Two packs filled or filling, two under way, sixteen chunks ahead: 192 MiB and some tens.
    assert int(done.stdout) < 300
