"""Writing behind the readers: at hand at once, on disk in the end, dropped everywhere, bounded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vfs.content.cache.behind import Behind, Piece
from vfs.content.cache.disk import DiskCache
from vfs.content.cache.mirror import Mirror

PACK, OTHER = b"p" * 16, b"o" * 16
LIMIT = 20
SECONDS = 30


class Disk:
    """Where pieces are written while the gate is open."""

    def __init__(self) -> None:
        self.written: list[Piece] = []
        self.threads: set[str] = set()
        self.begun = threading.Semaphore(0)
        self.gate = threading.Event()

    def write(self, piece: Piece) -> None:
        self.begun.release()
        assert self.gate.wait(SECONDS)
        self.threads.add(threading.current_thread().name)
        self.written.append(piece)


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.gate.set()


def test_what_waits_is_read_and_then_written_in_order(disk: Disk) -> None:
    behind = Behind(disk.write, limit=LIMIT)
    assert behind.put(Piece(PACK, 0, b"01234")) and behind.put(Piece(PACK, 5, b"56789"))
    assert disk.begun.acquire(timeout=SECONDS)
    assert behind.get(PACK, 1, 3) == b"12"
    assert behind.get(PACK, 5, 10) == b"56789"
    assert behind.get(PACK, 4, 6) is None and behind.get(OTHER, 0, 1) is None
    assert behind.flush(0.01) is False
    disk.gate.set()
    assert behind.flush(SECONDS)
    assert [piece.offset for piece in disk.written] == [0, 5]
    assert disk.threads == {"cache-writer"}
    assert behind.get(PACK, 1, 3) is None


def test_no_more_than_the_limit_waits(disk: Disk) -> None:
    behind = Behind(disk.write, limit=LIMIT)
    assert behind.put(Piece(PACK, 0, bytes(12)))
    assert behind.put(Piece(PACK, 12, bytes(8)))
    assert not behind.put(Piece(PACK, 20, b"x"))
    disk.gate.set()
    assert behind.flush(SECONDS)
    assert behind.put(Piece(PACK, 20, bytes(LIMIT)))
    assert behind.flush(SECONDS)
    assert not behind.put(Piece(PACK, 0, bytes(LIMIT + 1)))
    assert sum(len(piece.data) for piece in disk.written) == 2 * LIMIT


def test_what_is_dropped_is_not_written_and_what_is_being_written_is_waited_for(disk: Disk) -> None:
    behind = Behind(disk.write, limit=LIMIT)
    for at in (0, 5, 10):
        behind.put(Piece(PACK, at, b"bytes"))
    assert disk.begun.acquire(timeout=SECONDS)
    behind.drop(PACK, 7, 8)
    assert behind.get(PACK, 5, 6) is None and behind.get(PACK, 10, 11) == b"b"
    dropper = threading.Thread(target=behind.drop, args=(PACK, 0, 1))
    dropper.start()
    dropper.join(0.1)
    assert dropper.is_alive()
    disk.gate.set()
    dropper.join(SECONDS)
    assert behind.flush(SECONDS)
    assert [piece.offset for piece in disk.written] == [0, 10]
    assert behind.put(Piece(PACK, 5, bytes(LIMIT)))


def test_a_write_that_raises_after_all_keeps_nobody_waiting() -> None:
    hooked: list[object] = []

    def broken(piece: Piece) -> None:
        if piece.offset == 0:
            raise ZeroDivisionError
        hooked.append(piece.offset)

    behind, hook = Behind(broken, limit=LIMIT), threading.excepthook
    threading.excepthook = lambda found: hooked.append(found.exc_type)
    try:
        behind.put(Piece(PACK, 0, b"bytes"))
        assert behind.flush(SECONDS)
        assert behind.put(Piece(PACK, 5, bytes(LIMIT)))
        assert behind.flush(SECONDS)
    finally:
        threading.excepthook = hook
    assert hooked == [5, ZeroDivisionError] or hooked == [ZeroDivisionError, 5]


def warn(message: str) -> None:
    raise AssertionError(message)


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Mirrors write nothing before the event is set."""
    gate, write = threading.Event(), Mirror.write

    def slowly(mirror: Mirror, offset: int, data: bytes | memoryview) -> int:
        assert gate.wait(SECONDS)
        return write(mirror, offset, data)

    monkeypatch.setattr(Mirror, "write", slowly)
    yield gate
    gate.set()


def test_a_reader_does_not_wait_for_the_disk_and_closing_does(tmp_path: Path, slow_disk: threading.Event) -> None:
    cache = DiskCache(tmp_path / "cache", limit=1 << 30, floor=0, warn=warn)
    started = time.monotonic()
    for at in range(8):
        cache.put(PACK, at << 20, bytes((at,)) * (1 << 20))
    assert time.monotonic() - started < 5
    assert cache.get(PACK, 3 << 20, 10) == b"\3" * 10
    slow_disk.set()
    cache.close()
    other = DiskCache(tmp_path / "cache", limit=1 << 30, floor=0, warn=warn)
    assert all(other.get(PACK, at << 20, 1 << 20) == bytes((at,)) * (1 << 20) for at in range(8))


def test_what_is_dropped_before_it_is_written_is_gone(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache", limit=1 << 30, floor=0, warn=warn)
    for _ in range(50):
        cache.put(PACK, 0, b"wrong")
        cache.drop(PACK, 0, 5)
        assert cache.get(PACK, 0, 5) is None
        cache.put(PACK, 0, b"right")
        assert cache.get(PACK, 0, 5) == b"right"
        cache.drop(PACK, 2, 1)
    cache.flush()
    assert cache.get(PACK, 0, 5) is None


def test_writers_and_readers_of_many_packs_meet_only_right_bytes(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache", limit=1 << 30, floor=0, warn=warn)
    wrong: list[object] = []

    def work(number: int) -> None:
        for at in range(0, 400_000, 20_000):
            pack = bytes((at // 20_000 % 5,)) * 16
            cache.put(pack, at, bytes((at // 20_000,)) * 20_000)
            found = cache.get(pack, at + number, 1000)
            if found is not None and found != bytes((at // 20_000,)) * 1000:
                wrong.append((number, at))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    cache.close()
    assert wrong == []
    assert cache.get(bytes(16), 0, 20_000) == bytes(20_000)
