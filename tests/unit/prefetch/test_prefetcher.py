"""The prefetcher over a real store: what was guessed is in memory, within the budget, and failures end there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from vfs.content.blobs import Blobs
from vfs.content.known import KnownChunks
from vfs.content.prefetch.prefetcher import REQUEST, Prefetcher, requests
from vfs.content.reader import FileReader
from vfs.content.writer import ContentWriter
from vfs.errors import VfsError
from vfs.metrics.counters import Counter
from vfs.model.entry import BlobRef, Entry, Kind
from vfs.store.memory import MemoryStore

MIB = 1 << 20
BLOCK = 128 * 1024


class CountingStore(MemoryStore):
    """Counts reads; after `hold` is set, reads wait until it is cleared."""

    def __init__(self) -> None:
        super().__init__()
        self.gets: list[tuple[str, int, int | None]] = []
        self.free = threading.Event()
        self.free.set()

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        assert self.free.wait(20)
        self.gets.append((key, start, length))
        return super().get(key, start=start, length=length)


class Setup:
    """A file of 48 MiB in a store, readers of it, a prefetcher."""

    def __init__(self, directory: Path, budget: int) -> None:
        self.data = Random(1).randbytes(48 * MIB)
        self.store = CountingStore()
        known = KnownChunks(directory / "known.db", self.store)
        writer = ContentWriter(self.store, known, jobs=2)
        digest, content = writer.put_bytes(self.data)
        writer.flush()
        known.close()
        size = len(self.data)
        self.entry = Entry(path=b"f", kind=Kind.FILE, mode=0o644, mtime_ns=0, size=size, digest=digest, content=content)
        self.store.gets.clear()
        self.blobs = Blobs(self.store, memory=128 * MIB)
        self.reader = FileReader(self.blobs)
        self.failures: list[VfsError] = []
        self.fetched = Counter()
        self.prefetcher = Prefetcher(
            self.reader, self.blobs, threads=2, budget=budget, failed=self.failures.append, counter=self.fetched
        )

    def wait_for(self, size: int) -> None:
        """Until `size` bytes were prefetched; fails after 20 s."""
        end = time.monotonic() + 20
        while self.fetched.value < size:
            assert time.monotonic() < end, f"only {self.fetched.value} bytes came"
            time.sleep(0.002)


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path, 64 * MIB)
    yield made
    made.prefetcher.close()


def test_a_stream_finds_its_bytes_in_memory_in_few_requests(setup: Setup) -> None:
    waits = 0
    for offset in range(0, len(setup.data), BLOCK):
        before = len(setup.store.gets)
        setup.prefetcher.note("f", setup.entry, offset, BLOCK, waited=offset < 4 * BLOCK)
        assert setup.reader.read(setup.entry, offset, BLOCK) == setup.data[offset : offset + BLOCK]
        waits += len(setup.store.gets) > before
    assert len(setup.store.gets) <= 30, "48 chunks in requests of several"
    fetched = sum(length or 0 for _, _, length in setup.store.gets)
    assert fetched <= 1.1 * len(setup.data), "nothing is fetched twice"
    assert not setup.failures


def test_what_is_on_its_way_stays_within_the_budget(tmp_path: Path) -> None:
    setup = Setup(tmp_path, 12 * MIB)
    setup.store.free.clear()
    setup.prefetcher.fetch(setup.reader.refs(setup.entry, 0, len(setup.data)))
    setup.store.free.set()
    setup.wait_for(4 * MIB)
    time.sleep(0.2)
    assert setup.fetched.value <= 12 * MIB
    setup.prefetcher.close()


def test_a_lost_pack_is_reported_and_the_reader_is_told_by_its_own_read(setup: Setup) -> None:
    for info in list(setup.store.list("packs/")):
        setup.store.delete(info.key)
    setup.prefetcher.fetch(setup.reader.refs(setup.entry, 0, 8 * MIB))
    end = time.monotonic() + 20
    while not setup.failures:
        assert time.monotonic() < end
        time.sleep(0.002)
    with pytest.raises(VfsError):
        setup.reader.read(setup.entry, 0, 10)


def test_the_end_is_told_once_when_all_was_brought(setup: Setup) -> None:
    setup.store.free.clear()
    ended, brought = list[int](), list[BlobRef]()
    refs = setup.reader.refs(setup.entry, 0, 30 * MIB)
    setup.prefetcher.fetch(refs, brought.extend, ended=lambda: ended.append(len(brought)))
    assert not ended
    setup.store.free.set()
    setup.wait_for(sum(ref.length for ref in refs))
    until(lambda: bool(ended))
    assert ended == [len(refs)]


def test_the_end_is_told_of_what_was_lost_did_not_fit_or_was_nothing(tmp_path: Path) -> None:
    setup, ended = Setup(tmp_path, 12 * MIB), list[str]()
    for info in list(setup.store.list("packs/")):
        setup.store.delete(info.key)
    setup.prefetcher.fetch(setup.reader.refs(setup.entry, 0, 40 * MIB), ended=lambda: ended.append("lost"))
    until(lambda: ended == ["lost"])
    setup.prefetcher.fetch([], ended=lambda: ended.append("nothing"))
    assert ended == ["lost", "nothing"]
    setup.prefetcher.close()


def until(true: Callable[[], bool]) -> None:
    """Waits; fails after 20 s."""
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_requests_are_neighbours_of_bounded_size() -> None:
    refs = [BlobRef(bytes([i]) * 32, MIB, bytes([i // 20]) * 16, i * MIB, MIB) for i in range(50)]
    groups = list(requests(refs))
    assert [ref for group in groups for ref in group] == refs
    assert all(len({ref.pack for ref in group}) == 1 for group in groups)
    assert max(sum(ref.stored for ref in group) for group in groups) == REQUEST
