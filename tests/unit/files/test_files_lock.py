from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vfs.errors import Busy, LocalIOError
from vfs.files.lock import FileLock


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.try_lock()
    assert first.held
    assert not second.try_lock()
    assert not second.held
    first.release()
    first.release()
    assert not first.held
    assert second.try_lock()
    second.release()


def test_entering_waits_and_then_says_busy(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock"):
        started = time.monotonic()
        with (
            pytest.raises(Busy, match=r"lock: locked by another process, waited 0\.05 s"),
            FileLock(tmp_path / "lock", timeout=0.05),
        ):
            pytest.fail("two holders")
        assert 0.05 <= time.monotonic() - started < 5


def test_it_is_not_re_entrant(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    with lock, pytest.raises(Busy, match="already locked by this process"):
        lock.try_lock()
    assert not lock.held


def test_it_is_given_back_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError), FileLock(tmp_path / "lock"):
        raise ValueError
    assert FileLock(tmp_path / "lock").try_lock()


def test_a_place_that_cannot_be_locked_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalIOError, match="none/lock: cannot be locked: no such file"):
        FileLock(tmp_path / "none" / "lock").try_lock()


def test_threads_take_turns(tmp_path: Path) -> None:
    inside = 0
    most = 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with FileLock(tmp_path / "lock"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (most, inside) == (1, 0)


HOLDER = """
import sys
from vfs.files.lock import FileLock

with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        mine = FileLock(tmp_path / "lock", timeout=10)
        assert not mine.try_lock()
        holder.kill()
        holder.wait(10)
        with mine:
            assert mine.held
