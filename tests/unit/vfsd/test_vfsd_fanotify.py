"""The kernel's reports of opens: who is held and goes on, what is let go, what the journal says of those lost."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vfs.journal.buffer import UNDESCRIBED
from vfs.journal.events import Event, Gap, ReadsSeen, Watching
from vfs.journal.log import Journal
from vfs.journal.observe import Observer
from vfs.journal.session import begin_session
from vfs.metrics.counters import Registry
from vfs.metrics.names import OBSERVED
from vfs.workspace import syscalls
from vfsd.fanotify import DIRECTORY, LET_GO, Fanotify, Opens
from vfsd.filesystem import FileSystem
from vfsd.shim import SHIM, Shim
from vfsd.through import reported_through
from vfsd.told import UNKNOWN, Told
from vfsd.watch import OVERRUN, Watch

pytestmark = pytest.mark.root


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with one file."""
    point = tmp_path / "own"
    point.mkdir()
    syscalls.mount("none", str(point), "tmpfs", data="size=64m")
    (point / "file").write_text("content\n")
    yield point
    syscalls.umount(str(point), flags=syscalls.MNT_DETACH)


def wait_for(queue: Fanotify, seconds: float = 10.0) -> Opens:
    """What is told next."""
    assert select.select([queue.fileno()], [], [], seconds)[0], "nothing was told"
    return queue.read()


def reader(path: Path) -> subprocess.Popen[bytes]:
    """A process that reads a file."""
    return subprocess.Popen(["cat", path], stdout=subprocess.PIPE)


WITHOUT = Shim()
WITHOUT.reports = None


@pytest.fixture(params=[SHIM, WITHOUT], ids=["shim", "without"])
def shim(request: pytest.FixtureRequest) -> Shim:
    """The compiled way of taking reports, and the other."""
    found: Shim = request.param
    return found


def test_an_open_is_held_until_it_is_answered(place: Path, shim: Shim) -> None:
    queue = Fanotify(str(place), shim=shim)
    with reader(place / "file") as process:
        told = wait_for(queue)
        assert (list(told.pids), len(told.held)) == ([process.pid], 1)
        time.sleep(0.1)
        assert process.poll() is None
        assert Path(f"/proc/{process.pid}/cmdline").read_bytes() == b"cat\0" + bytes(place / "file") + b"\0"
        queue.go(told.held)
        assert process.communicate(timeout=10)[0] == b"content\n"
    assert list(told.inodes) == [(place / "file").stat().st_ino]
    queue.close()


def test_one_that_is_killed_meanwhile_hurts_nobody(place: Path) -> None:
    queue = Fanotify(str(place))
    with reader(place / "file") as process:
        told = wait_for(queue)
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
        queue.go(told.held)
    queue.close()


def test_opens_that_are_let_go_are_told_afterwards(place: Path, shim: Shim) -> None:
    queue = Fanotify(str(place), shim=shim)
    files = len(os.listdir("/proc/self/fd"))
    queue.hold(False)
    with reader(place / "file") as process:
        assert process.communicate(timeout=10)[0] == b"content\n"
    assert queue.waiting() == 1
    inode = (place / "file").stat().st_ino
    assert [list(column) for column in queue.read()] == [[inode], [process.pid], [LET_GO]]
    assert not queue.read().pids
    assert len(os.listdir("/proc/self/fd")) == files
    queue.close()


def test_closing_lets_everybody_go(place: Path) -> None:
    queue = Fanotify(str(place))
    with reader(place / "file") as process:
        assert select.select([queue.fileno()], [], [], 10)[0]
        queue.close()
        assert process.communicate(timeout=10)[0] == b"content\n"


def test_an_open_of_a_directory_is_told_as_one(place: Path, shim: Shim) -> None:
    (place / "below").mkdir()
    queue = Fanotify(str(place), shim=shim)
    with subprocess.Popen(["ls", place / "below"]) as process:
        told = wait_for(queue)
        inode = (place / "below").stat().st_ino | DIRECTORY
        assert (list(told.pids), list(told.inodes)) == ([process.pid], [inode])
        queue.go(told.held)
        assert process.wait(45) == 0
    # Marks are changed without forgetting directories.
    for hold in (False, True):
        queue.hold(hold)
        with subprocess.Popen(["ls", place / "below"]) as process:
            told = wait_for(queue)
            assert (list(told.inodes), len(told.held)) == ([inode], hold)
            queue.go(told.held)
            assert process.wait(45) == 0
    queue.close()


class World:
    """A watch over `place`, whose inode numbers are taken for those of a commit."""

    def __init__(self, state: Path, queue: Fanotify, files: FileSystem) -> None:
        self.journal = Journal.open(state)
        session = begin_session(self.journal, kind="mount", environment={})
        self.observer = Observer(self.journal, session, interval=60)
        self.observer.watch_by("fanotify")
        self.watch = Watch(queue, files, self.observer, Registry().counter(OBSERVED))

    def events(self) -> list[Event]:
        """What the journal says."""
        self.observer.flush()
        return [self.journal.event(record.seq) for record in self.journal.records()]

    def paths(self) -> list[bytes]:
        """What was read."""
        return [read[2] for event in self.events() if isinstance(event, ReadsSeen) for read in event.reads]

    def gaps(self) -> dict[str, int]:
        """What was lost, by reason."""
        return {event.reason: event.count for event in self.events() if isinstance(event, Gap)}

    def close(self) -> None:
        """End it."""
        self.watch.close()
        self.observer.close()
        self.journal.close()


@pytest.fixture
def files(source: Path, put_source: Callable[..., object], show_commit: Callable[..., FileSystem]) -> FileSystem:
    """A commit of 100 files: inodes 2 to 101."""
    for number in range(100):
        (source / f"f{number:02}").write_text(str(number))
    return show_commit(put_source())


def test_a_queue_that_runs_over_is_a_gap(tmp_path: Path, place: Path, files: FileSystem, shim: Shim) -> None:
    queue = Fanotify(str(place), bounded=True, shim=shim)
    queue.hold(False)
    limit = int(Path("/proc/sys/fs/fanotify/max_queued_events").read_text())
    for number in range(limit + 10):
        os.close(os.open(place / f"f{number}", os.O_CREAT | os.O_WRONLY))
    world = World(tmp_path / "state", queue, files)
    world.watch.start()
    world.watch.drain()
    assert world.gaps() == {OVERRUN: 1}
    world.close()


@pytest.mark.expects_warnings("an opened file could not be looked up")
def test_a_file_nobody_knows_is_a_gap(tmp_path: Path, place: Path, files: FileSystem) -> None:
    for number in range(200):
        (place / f"f{number}").write_text("x")
    beyond = next(path for path in place.iterdir() if path.stat().st_ino > 150)
    world = World(tmp_path / "state", Fanotify(str(place)), files)
    world.watch.start()
    subprocess.run(["cat", beyond], stdout=subprocess.DEVNULL, timeout=10, check=True)
    world.watch.drain()
    assert world.gaps() == {UNKNOWN: 1}
    world.close()


def test_a_drain_covers_every_open_before_it(tmp_path: Path, place: Path, files: FileSystem) -> None:
    made = [place / f"g{number}" for number in range(60)]
    for path in made:
        path.write_text("x")
    known = [path for path in made if 2 <= path.stat().st_ino <= 101]
    assert len(known) > 30
    world = World(tmp_path / "state", Fanotify(str(place)), files)
    world.watch.start()
    for count in (10, 20, 30):
        subprocess.run(["cat", *known[:count]], stdout=subprocess.DEVNULL, timeout=10, check=True)
        world.watch.drain()
        assert len(set(world.paths())) == count
    world.close()


BULK = """
import os, sys
for turn in range(40):
    for name in sys.argv[1:]:
        os.close(os.open(name, os.O_RDONLY))
"""


def test_a_bulk_reader_is_let_go_and_a_newcomer_held_again(tmp_path: Path, place: Path, files: FileSystem) -> None:
    queue = Fanotify(str(place))
    world = World(tmp_path / "state", queue, files)
    world.watch.start()
    seen: set[bool] = set()
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.0005):
            seen.add(queue.holds)

    looking = threading.Thread(target=look)
    looking.start()
    for number in range(40):
        (place / f"g{number}").write_text("x")
    names = [str(path) for path in place.iterdir() if 2 <= path.stat().st_ino <= 101]
    subprocess.run([sys.executable, "-c", BULK, *names], timeout=20, check=True)
    time.sleep(0.3)
    done.set()
    looking.join()
    assert seen == {True, False} and queue.holds
    world.watch.drain()
    assert len(world.paths()) == len(names) and not world.gaps()
    world.close()


def test_processes_that_are_gone_are_counted_and_their_reads_kept(
    tmp_path: Path, place: Path, files: FileSystem
) -> None:
    queue = Fanotify(str(place))
    queue.hold(False)
    for _ in range(3):
        subprocess.run(["cat", place / "file"], stdout=subprocess.DEVNULL, timeout=10, check=True)
    world = World(tmp_path / "state", queue, files)
    world.watch.start()
    world.watch.drain()
    events = world.events()
    (gap,) = [event for event in events if isinstance(event, Gap)]
    assert (gap.count, gap.processes, gap.reason) == (0, 3, UNDESCRIBED)
    (seen,) = [event for event in events if isinstance(event, ReadsSeen)]
    assert [read[0] for read in seen.reads] == [0]
    assert [event.level for event in events if isinstance(event, Watching)] == ["open", "fanotify"]
    world.close()


def test_an_overlay_of_which_nothing_is_reported_is_found_out(tmp_path: Path, place: Path, files: FileSystem) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert not reported_through(str(elsewhere), str(place), files)
    for _, path in files.some_files(16):
        (elsewhere / os.fsdecode(path)).write_text("x")
    assert not reported_through(str(elsewhere), str(place), files)


def test_some_files_are_the_first_of_the_commit(files: FileSystem) -> None:
    assert files.some_files(3) == [(2, b"f00"), (3, b"f01"), (4, b"f02")]
    assert len(files.some_files(1000)) == 100


@pytest.mark.skipif(bool(SHIM.missing), reason="without the shim nothing is gathered")
def test_opens_by_familiar_processes_are_gathered_and_others_told_at_once(place: Path) -> None:
    made = [place / f"g{number}" for number in range(300)]
    for path in made:
        path.write_text("x")
    queue = Fanotify(str(place))
    queue.hold(False)
    own, forever = array("i", [os.getpid()]), 45 * 10**9
    for path in made:
        os.close(os.open(path, os.O_RDONLY))
    with reader(made[7]) as process:
        process.communicate(timeout=45)
        told = queue.read(familiar=own, patience_ns=forever)
    assert list(told.inodes) == [path.stat().st_ino for path in (*made, made[7])]
    assert list(told.pids) == [os.getpid()] * 300 + [process.pid]
    # More than one read of the queue, then nobody else comes: what is there is told when patience is over.
    for path in made:
        os.close(os.open(path, os.O_RDONLY))
    assert len(queue.read(familiar=own, patience_ns=1_000_000).pids) == 300
    queue.close()


@pytest.mark.expects_warnings("an opened file could not be looked up")
def test_of_many_opens_a_file_nobody_knows_is_the_only_gap(tmp_path: Path, place: Path, files: FileSystem) -> None:
    for number in range(200):
        (place / f"f{number}").write_text("x")
    inodes = {path.stat().st_ino: path for path in place.iterdir()}
    known = [inodes[inode] for inode in range(2, 102) if inode in inodes]
    beyond = next(path for inode, path in inodes.items() if inode > 150)
    queue = Fanotify(str(place))
    queue.hold(False)
    for path in (*known[:20], beyond, *known[20:]):
        os.close(os.open(path, os.O_RDONLY))
    world = World(tmp_path / "state", queue, files)
    told = Told(files, world.observer, Registry().counter(OBSERVED))
    told.tell([(9, inode) for _ in range(4) for inode in queue.read().inodes])
    assert world.gaps() == {UNKNOWN: 1}
    assert len(set(world.paths())) == len(known) > 30
    world.watch.start()
    world.close()
