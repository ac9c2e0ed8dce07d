"""Links between processes, their ends: by what they have open, by fork and exec, by guess where nobody knows."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vfs.errors import JournalError
from vfs.journal import procfs
from vfs.journal.ends import Ends
from vfs.journal.events import ProcessesEnded, ProcessesLinked, ProcessSeen
from vfs.journal.links import Links
from vfs.journal.log import Journal
from vfs.journal.loose import REMEMBERED, keep
from vfs.journal.observe import Observer
from vfs.journal.procfs import End, Mark
from vfs.journal.select import select_events
from vfs.journal.session import begin_session
from vfs.model.record import Process

COMMIT = b"c" * 32
DIGEST = b"d" * 32


class Table:
    """Processes that have what the test says; their number is their key, their time is the test's."""

    def __init__(self, *root: str) -> None:
        self.open = {1: [end(word) for word in root]}
        self.links = Links(root_pid=1 if root else None, ends_of=lambda pid: self.open.get(pid, []))
        self.linked: dict[int, set[int]] = {}

    def begin(self, key: int, *ends: str, parent: int = 1, at: int = 0) -> None:
        """A process with these ends: `<3` reads pipe 3, `>3` writes it, `=3` is socket 3, `</x` reads a file."""
        self.open[key] = [end(word) for word in ends]
        mark = Mark(key, 0)
        before = self.links.program_before(key, mark, key)
        linked = self.links.describe(key, key, mark, before=before, parent=(parent, parent), started_ns=at)
        self.linked.setdefault(key, set()).update(linked)
        self._take()

    def end(self, *keys: int, at: int) -> None:
        """These processes end."""
        self.links.settle([(key, at) for key in keys])
        self._take()

    def settle(self) -> None:
        """All is to be known now."""
        self.links.settle_all()
        self._take()

    def _take(self) -> None:
        for key, other in self.links.take():
            assert other not in self.linked.setdefault(key, set())
            self.linked[key].add(other)


def end(word: str) -> End:
    """The end that `word` says."""
    how, what = word[0], word[1:]
    name = what if what.startswith("/") else f"{'socket' if how == '=' else 'pipe'}:[{what}]"
    return End(name.encode(), how in "<=", how in ">=")


def test_a_reader_of_a_pipe_is_linked_to_its_writers_whoever_comes_first() -> None:
    table = Table()
    table.begin(2, ">7")
    table.begin(3, "<7", ">8")
    table.begin(5, "<8")
    table.begin(4, ">8")
    assert table.linked == {2: set(), 3: {2}, 5: {3, 4}, 4: set()}


def test_a_socket_goes_both_ways() -> None:
    table = Table()
    table.begin(2, "=7")
    table.begin(3, "=7")
    assert table.linked == {2: {3}, 3: {2}}


def test_what_the_root_of_the_run_has_links_nobody() -> None:
    table = Table("<7", ">8", "</log")
    table.begin(2, "<7", ">8", "</log")
    table.begin(3, "<7", ">7", ">8")
    table.settle()
    assert table.linked == {2: set(), 3: set()}


def test_the_root_of_the_run_is_linked_to_nobody() -> None:
    table = Table("<7")
    table.begin(1, "<7", ">8", "<9", parent=0)
    table.begin(2, "<8", ">9")
    table.settle()
    assert table.linked == {1: set(), 2: set()}


def test_of_another_ancestor_the_streams_alone_are_left_out() -> None:
    table = Table()
    table.open[1] = [End(b"pipe:[7]", True, True, standard=True), end("<8")]
    table.links.leave_out(1)
    table.begin(2, "<7", ">8")
    table.begin(3, ">7", "<8")
    assert table.linked == {1: {2}, 2: set(), 3: {2}}


def test_a_pipe_that_a_parent_made_since_it_was_described_links_it() -> None:
    table = Table()
    table.begin(2)
    table.begin(3, parent=2)
    table.open[2] = [end(">7")]
    table.open[3] = [end("<7")]
    table.begin(4, "<7", parent=3)
    assert table.linked == {2: set(), 3: {2}, 4: {2}}


def test_a_file_that_the_parent_has_open_for_reading_links_to_it() -> None:
    table = Table()
    table.begin(2, "</data", ">/log")
    table.begin(3, "</data", parent=2)
    table.begin(4, ">/log", parent=2)
    table.begin(5, "</other", parent=2)
    assert table.linked == {2: set(), 3: {2}, 4: set(), 5: set()}


def test_a_program_executed_in_place_of_another_is_linked_to_it() -> None:
    links = Links(ends_of=lambda pid: [])
    for key, stack in ((10, 500), (11, 600)):
        mark = Mark(3, stack)
        before = links.program_before(77, mark, key)
        assert links.describe(key, 77, mark, before=before, parent=(0, 0)) == ((10,) if key == 11 else ())


def test_data_of_one_who_was_not_described_comes_from_who_writes_to_nobody() -> None:
    table = Table()
    table.begin(2, ">7", at=100)
    table.begin(3, "<8", at=100)
    table.end(2, 3, at=200)
    assert table.linked == {2: set(), 3: {2}}


def test_the_nearest_of_them_are_taken() -> None:
    table = Table()
    for shell in (10, 20):
        table.begin(shell, parent=1)
        table.begin(shell + 1, f">{shell}", parent=shell)
        table.begin(shell + 2, f"<{shell + 1}", parent=shell)
    table.settle()
    assert (table.linked[12], table.linked[22]) == ({11}, {21})


def test_one_that_had_ended_before_is_none_of_them_and_then_the_parent_is() -> None:
    table = Table()
    table.begin(2, ">7", at=0)
    table.end(2, at=1_000_000_000)
    table.begin(3, "<8", at=2_000_000_000)
    table.end(3, at=3_000_000_000)
    assert table.linked == {2: set(), 3: {1}}


def test_one_that_began_after_the_reader_had_ended_is_none_of_them() -> None:
    table = Table()
    table.begin(2, ">7", at=100)
    table.begin(3, "<8", at=100)
    table.begin(4, ">9", at=3_000_000_000)
    table.end(3, at=2_000_000_000)
    assert table.linked[3] == {2}


def test_that_a_shell_has_the_ends_of_its_pipeline_for_a_moment_hides_nobody() -> None:
    table = Table()
    table.begin(2)
    table.open[2] = [end("<7"), end(">8")]
    table.begin(3, ">7", parent=2)
    table.open[2] = []
    table.begin(4, "<8", parent=2)
    table.settle()
    assert 3 in table.linked[4]


def test_a_socket_to_elsewhere_is_no_reason_to_guess() -> None:
    table = Table()
    table.begin(2, ">7")
    table.begin(3, "=99")
    table.settle()
    assert table.linked[3] == set()


def test_what_is_remembered_is_bounded() -> None:
    table = {number: number for number in range(REMEMBERED)}
    keep(table, -1, -1)
    assert len(table) == REMEMBERED // 2 + 1 and -1 in table and 0 not in table


@pytest.fixture
def session(journal: Journal) -> str:
    return begin_session(journal, kind="run", command=["test"], environment={})


@pytest.fixture
def observer(journal: Journal, session: str) -> Iterator[Observer]:
    with Observer(journal, session, root_pid=os.getpid(), interval=60) as observing:
        yield observing


def found(journal: Journal, session: str) -> dict[int, Process]:
    """The processes described, by number: the last program of each."""
    return {event.process.pid: event.process for event in select_events(journal, session, ProcessSeen)}


def links(journal: Journal, session: str) -> set[tuple[int, int]]:
    """All links, by number."""
    seen = [event.process for event in select_events(journal, session, ProcessSeen)]
    pids = {process.key: process.pid for process in seen}
    late = [pair for event in select_events(journal, session, ProcessesLinked) for pair in event.links]
    return {(pids[a], pids[b]) for a, b in [*late, *((one.key, other) for one in seen for other in one.linked)]}


def ends(journal: Journal, session: str) -> dict[int, int]:
    """When processes ended, by key."""
    return dict(pair for event in select_events(journal, session, ProcessesEnded) for pair in event.ended)


Spawn = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start a process with pipes; whatever still runs is ended after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **more: Any) -> subprocess.Popen[bytes]:
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, **more}
        process = subprocess.Popen(command, bufsize=0, **streams)
        started.append(process)
        wait_until(lambda: bool(procfs.argv_of(process.pid)) or process.poll() is not None)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(timeout=45)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something, up to 45 seconds."""
    deadline = time.monotonic() + 45
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)


def line(process: subprocess.Popen[bytes]) -> bytes:
    """What the process says next."""
    assert process.stdout is not None
    return process.stdout.readline()


def test_ends_are_known_at_once_and_the_living_have_none(
    journal: Journal, session: str, observer: Observer, spawn: Spawn
) -> None:
    brief, other = spawn("/bin/cat"), spawn("/bin/cat")
    for process in (brief, other):
        observer.opened(process.pid, "images", COMMIT, b"a", DIGEST, row=1)
    before = time.time_ns()
    brief.kill()
    brief.wait(timeout=45)
    observer.flush()
    processes = found(journal, session)
    ended = ends(journal, session)
    assert before <= ended[processes[brief.pid].key] <= time.time_ns()
    assert processes[other.pid].key not in ended and processes[os.getpid()].key not in ended


EXECUTES = "import os, sys; print(flush=True); sys.stdin.readline(); os.execv('/bin/cat', ['cat'])"


def test_a_program_ends_when_its_process_executes_another(
    journal: Journal, session: str, observer: Observer, spawn: Spawn
) -> None:
    process = spawn(sys.executable, "-c", EXECUTES)
    line(process)
    observer.opened(process.pid, "images", COMMIT, b"a", DIGEST, row=1)
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    wait_until(lambda: procfs.argv_of(process.pid) == (b"cat",))
    observer.opened(process.pid, "images", COMMIT, b"b", DIGEST, row=2)
    observer.flush()
    seen = [event.process for event in select_events(journal, session, ProcessSeen)]
    first, second = [one for one in seen if one.pid == process.pid]
    assert first.key in ends(journal, session) and second.key not in ends(journal, session)
    assert second.linked == (first.key,)
    process.kill()
    process.wait(timeout=45)
    observer.flush()
    assert second.key in ends(journal, session)


FORKS = "import os, sys\npid = os.fork()\nprint(pid, flush=True) if pid else None\nsys.stdin.readline()\nos._exit(0)"


def test_a_fork_is_linked_to_the_one_it_is_a_copy_of(
    journal: Journal, session: str, observer: Observer, spawn: Spawn
) -> None:
    process = spawn(sys.executable, "-c", FORKS)
    child = int(line(process))
    observer.opened(child, "images", COMMIT, b"a", DIGEST, row=1)
    observer.flush()
    os.kill(child, signal.SIGKILL)
    assert (child, process.pid) in links(journal, session)
    assert (process.pid, os.getpid()) not in links(journal, session)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_pipeline_is_linked_in_the_direction_of_the_data(
    journal: Journal, session: str, observer: Observer, spawn: Spawn, order: tuple[int, int]
) -> None:
    first = spawn("/bin/cat")
    assert first.stdout is not None
    second = spawn("/bin/cat", stdin=first.stdout)
    first.stdout.close()
    for place in order:
        observer.opened((first, second)[place].pid, "images", COMMIT, b"a", DIGEST, row=1)
    observer.flush()
    assert (second.pid, first.pid) in links(journal, session)
    assert (first.pid, second.pid) not in links(journal, session)


def test_ends_and_links_outlast_a_journal_that_cannot_be_written(
    journal: Journal, session: str, observer: Observer, spawn: Spawn
) -> None:
    first = spawn("/bin/cat")
    assert first.stdout is not None
    second = spawn("/bin/cat", stdin=first.stdout)
    first.stdout.close()
    for process in (second, first):
        observer.opened(process.pid, "images", COMMIT, b"a", DIGEST, row=1)
        process.kill()
        process.wait(timeout=45)
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    journal.select("PRAGMA busy_timeout=30")
    with pytest.raises(JournalError):
        observer.flush()
    other.execute("ROLLBACK")
    other.close()
    observer.flush()
    processes = found(journal, session)
    assert {processes[first.pid].key, processes[second.pid].key} <= set(ends(journal, session))
    assert (second.pid, first.pid) in links(journal, session)


def test_no_more_descriptors_are_held_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vfs.journal.ends.WATCHED_MAX", 3)
    watching = Ends()
    before = len(os.listdir("/proc/self/fd"))
    for key in range(1, 10):
        watching.watch(key, os.getpid())
    assert len(os.listdir("/proc/self/fd")) == before + 3
    watching.watch(10, 0x7FFFFFFF)
    assert watching.take() == []
    watching.close()
    assert len(os.listdir("/proc/self/fd")) == before - 2


def test_what_a_process_has_open_is_told_by_its_kind(tmp_path: Path, spawn: Spawn) -> None:
    (tmp_path / "in").write_text("x")
    code = "import socket, sys; pair = socket.socketpair(); print(flush=True); sys.stdin.readline()"
    with (tmp_path / "in").open() as given, (tmp_path / "out").open("w") as log:
        process = spawn(sys.executable, "-c", code, stderr=log, pass_fds=[given.fileno()])
        line(process)
    kinds = {(one.what.split(b":")[0], one.reads, one.writes, one.standard) for one in procfs.ends_of(process.pid)}
    assert kinds == {
        (b"pipe", True, False, True),
        (b"pipe", False, True, True),
        (b"socket", True, True, False),
        (os.fsencode(tmp_path / "in"), True, False, False),
        (os.fsencode(tmp_path / "out"), False, True, True),
    }
    assert procfs.ends_of(0x7FFFFFFF) == []
