"""Closes after writing: who is told of, in which order, and that nobody is held for good."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vfs.errors import JournalError
from vfs.journal.events import Gap, OutsideSeen, ProcessesLinked, ProcessSeen, Wrote
from vfs.journal.log import Journal
from vfs.journal.observe import Observer
from vfs.journal.select import select_events
from vfs.journal.session import begin_session
from vfs.workspace import syscalls
from vfsd.group import Group, Report
from vfsd.outside import Outside
from vfsd.reporting import Reporting
from vfsd.teller import Teller
from vfsd.writes import ByUpper, Writes, by_inode

pytestmark = pytest.mark.root

MANY = 500


class Observed:
    """An observer with a journal of its own, and what it wrote there."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.session = begin_session(journal, kind="run")
        self.observer = Observer(journal, self.session, interval=60)

    def writers(self) -> dict[int, tuple[bytes, ...]]:
        """The arguments of who wrote each inode last."""
        self.observer.flush()
        argvs = {
            event.process.key: event.process.argv for event in select_events(self.journal, self.session, ProcessSeen)
        }
        writes = [write for event in select_events(self.journal, self.session, Wrote) for write in event.writes]
        return {inode: argvs.get(key, ()) for key, _, inode, _ in sorted(writes, key=lambda write: write[3])}


class Slow:
    """Reads that are told when the test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.told = 0

    def ask(self) -> int:
        self.asked += 1
        return self.asked

    def reached(self, asked: int) -> bool:
        return self.told >= asked


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A mount of its own."""
    point = tmp_path / "own"
    point.mkdir()
    syscalls.mount("none", str(point), "tmpfs", data="size=64m")
    yield point
    syscalls.umount(str(point), flags=syscalls.MNT_DETACH)


@pytest.fixture
def observed(tmp_path: Path) -> Iterator[Observed]:
    with Journal.open(tmp_path / "state") as journal:
        found = Observed(journal)
        yield found
        found.observer.close()


Watched = Callable[..., Reporting]


@pytest.fixture
def watched(place: Path) -> Iterator[Watched]:
    """`watched(make)`: a thread over the teller that `make` gives for the group of `place`, ended with the test."""
    running: list[Reporting] = []

    def begin(make: Callable[[Group], Teller]) -> Reporting:
        group = Group([os.open(place, os.O_PATH | os.O_CLOEXEC)], closes=True)
        running.append(Reporting([make(group)]))
        return running[-1]

    yield begin
    for reporting in running:
        reporting.close()


def shell(script: str, place: Path) -> None:
    subprocess.run(["sh", "-c", script], cwd=place, timeout=30, check=True)


def test_who_closed_is_told_by_inode(place: Path, observed: Observed, watched: Watched) -> None:
    reporting = watched(lambda group: Writes(group, observed.observer, by_inode, None))
    (place / "source").write_text("by this process, which is the daemon here\n")
    shell("cp source a; mv a b; cat source > c; : > empty; cat b > /dev/null", place)
    reporting.drain()
    writers = observed.writers()
    assert writers[(place / "b").stat().st_ino] == (b"cp", b"source", b"a")
    assert writers[(place / "c").stat().st_ino][:2] == (b"sh", b"-c")
    assert (place / "source").stat().st_ino not in writers
    assert len(writers) == 3


def test_who_opens_what_another_wrote_is_linked_to_it(place: Path, observed: Observed, watched: Watched) -> None:
    reporting = watched(lambda group: Writes(group, observed.observer, by_inode, None))
    script = "cp /etc/hostname a; cp a b; cp /etc/passwd apart; touch empty; cat empty b >> apart"
    shell(script, place)
    reporting.drain()
    observed.observer.flush()
    argvs = {
        event.process.key: event.process.argv
        for event in select_events(observed.journal, observed.session, ProcessSeen)
    }
    links = {
        (argvs[key], argvs[other])
        for event in select_events(observed.journal, observed.session, ProcessesLinked)
        for key, other in event.links
    }
    first, second, third = (b"cp", b"/etc/hostname", b"a"), (b"cp", b"a", b"b"), (b"cp", b"/etc/passwd", b"apart")
    assert (second, first) in links
    assert ((b"cat", b"empty", b"b"), second) in links
    # The shell opens what it redirects to, before it becomes the program.
    assert any(reader[0] == b"sh" and writer == third for reader, writer in links)
    assert not [pair for pair in links if pair[0] in (first, third)]
    # There was nothing to be had from an empty file.
    assert not [pair for pair in links if pair[1] == (b"touch", b"empty")]


def test_a_close_waits_for_the_reads_before_it_and_a_drain_for_the_close(
    place: Path, observed: Observed, watched: Watched
) -> None:
    reads = Slow()
    reporting = watched(lambda group: Writes(group, observed.observer, by_inode, reads))
    shell("cp /etc/hostname a", place)
    with pytest.raises(JournalError, match="still being found out"):
        reporting.drain(0.3)
    assert reads.asked >= 1 and observed.writers() == {}
    reads.told = 1 << 30
    reporting.drain()
    assert len(observed.writers()) == 1


def test_a_crowd_is_let_go_and_a_newcomer_among_it_is_known(place: Path, observed: Observed, watched: Watched) -> None:
    let_go = threading.Event()

    class Noted(Writes):
        def quiet(self) -> None:
            let_go.set()
            super().quiet()

    reporting = watched(lambda group: Noted(group, observed.observer, by_inode, None))
    code = f"for n in range({MANY}): open(f'm{{n}}', 'w').write('x')"
    subprocess.run([sys.executable, "-c", code], cwd=place, timeout=30, check=True)
    assert let_go.wait(30), "opens were never let go, or never held again"
    shell("cp m0 late", place)
    reporting.drain()
    writers = observed.writers()
    assert writers[(place / "late").stat().st_ino] == (b"cp", b"m0", b"late")
    assert [writers[(place / f"m{number}").stat().st_ino][1] for number in range(MANY)] == [b"-c"] * MANY


def test_nobody_waits_for_a_group_that_is_closed(place: Path) -> None:
    group = Group([os.open(place, os.O_PATH | os.O_CLOEXEC)], closes=True)
    with subprocess.Popen(["cp", "/etc/hostname", place / "a"]) as process:
        time.sleep(0.2)
        assert process.poll() is None
        group.close()
        assert process.wait(30) == 0


def test_a_group_where_it_is_not_allowed_leaves_no_descriptor(place: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        Group(closes=True, path=str(place / "missing"))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_mount_is_free_while_a_group_watches_its_file_system(tmp_path: Path, observed: Observed) -> None:
    point = tmp_path / "single"
    point.mkdir()
    syscalls.mount("none", str(point), "tmpfs")
    upper = ByUpper(str(point), str(point))
    reporting = Reporting([Writes(Group(closes=True, path=str(point)), observed.observer, upper, None)])
    shell(f"for n in $(seq {MANY}); do echo > f$n; done", point)
    reporting.drain()
    end = time.monotonic() + 45
    while True:
        try:
            syscalls.umount(str(point))
            break
        except OSError:
            assert time.monotonic() < end, "the group keeps the mount busy"
            time.sleep(0.02)
    reporting.close()
    assert len(observed.writers()) == MANY


def test_a_file_is_known_by_the_inode_of_its_upper_layer(tmp_path: Path) -> None:
    mount, upper = tmp_path / "mount", tmp_path / "upper"
    (mount / "d").mkdir(parents=True)
    (upper / "d").mkdir(parents=True)
    identify = ByUpper(str(mount), str(upper))
    (mount / "d" / "f").write_text("x")
    (upper / "d" / "f").write_text("x")
    with open(mount / "d" / "f") as file:
        assert identify(file.fileno()) == ((upper / "d" / "f").stat().st_dev, (upper / "d" / "f").stat().st_ino)
        (mount / "d" / "f").rename(mount / "d" / "g")
        assert identify(file.fileno()) is None
        (upper / "d" / "f").rename(upper / "d" / "g")
        assert identify(file.fileno()) is not None
        (mount / "d" / "g").unlink()
        assert identify(file.fileno()) is None
    with open("/etc/hostname") as file:
        assert identify(file.fileno()) is None


def test_lost_reports_are_a_gap(place: Path, observed: Observed) -> None:
    group = Group([os.open(place, os.O_PATH | os.O_CLOEXEC)], closes=True)
    writes = Writes(group, observed.observer, by_inode, None)
    writes._take(
        [Report(0, -1, opened=False, closed=False, held=False), Report(7, -1, opened=True, closed=False, held=False)]
    )
    observed.observer.flush()
    assert sum(gap.count for gap in select_events(observed.journal, observed.session, Gap)) == 2
    group.close()


def test_outside_tells_paths_of_files_once_for_each_process(place: Path, observed: Observed, watched: Watched) -> None:
    (place / "d").mkdir()
    (place / "d" / "f").write_text("x")
    reporting = watched(lambda group: Outside(group, observed.observer))
    shell("cat d/f d/f > made; ls d > /dev/null; mkfifo pipe", place)
    reporting.drain()
    observed.observer.flush()
    opens = [one for event in select_events(observed.journal, observed.session, OutsideSeen) for one in event.opens]
    assert sorted(path for _, path in opens) == [os.fsencode(place / "d" / "f"), os.fsencode(place / "made")]
    assert len({key for key, _ in opens} - {0}) == 2
