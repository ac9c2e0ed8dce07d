"""What the fast paths must not break: content that is pushed ahead of readers is right, or is not there."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from vfs.config.settings import load
from vfs.model.entry import ChunkList
from vfs.model.revision import parse_revision
from vfs.repo.library import Library
from vfs.repo.resolve import resolve

pytestmark = pytest.mark.mount

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]
SMALL = 1500


def drop_caches() -> None:
    """Empty the page cache and the kernel's memory of names, where we may."""
    with contextlib.suppress(PermissionError):
        Path("/proc/sys/vm/drop_caches").write_text("3")


@pytest.fixture
def source(isolated: Path, vfs: Vfs) -> Path:
    """Small files in three directories, one of them of several chunks each, committed to `data`."""
    random, top = Random(5), isolated / "source"
    for number in range(SMALL):
        file = top / f"d{number % 2}" / f"file{number:05}"
        file.parent.mkdir(parents=True, exist_ok=True)
        # Every seventh is long enough to compress, every eleventh is the same as another.
        piece = random.randbytes(random.randint(600, 20_000)) if number % 11 else b"the same" * 1000
        file.write_bytes(piece * 3 if number % 7 == 0 else piece)
    (top / "large").mkdir()
    for number in range(3):
        (top / "large" / f"{number}").write_bytes(random.randbytes(5_000_000 + number))
    vfs("init")
    vfs("repo", "create", "data")
    vfs("put", "data", f"{top}/")
    return top


def stats(vfs: Vfs, point: Path) -> dict[str, float]:
    """The metrics of the mount."""
    (found,) = json.loads(vfs("stats", "--json", point).stdout)
    numbers: dict[str, float] = found["metrics"]
    return numbers


def running(pid: int) -> bool:
    """Whether the process exists and has not ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def listed(top: Path) -> list[Path]:
    return sorted(path.relative_to(top) for path in top.rglob("*") if path.is_file())


class Readers:
    """Threads that read files of the mount and compare them with the source; `wrong` names what differs."""

    def __init__(self, point: Path, source: Path) -> None:
        self._point, self._source = point, source
        self.wrong: list[str] = []
        self._threads: list[threading.Thread] = []

    def start(self, names: list[Path], *, pieces: int = 0) -> None:
        """Read `names` in this order; with `pieces`, only so many pieces at random places of each."""
        thread = threading.Thread(target=self._read, args=(names, pieces), daemon=True)
        self._threads.append(thread)
        thread.start()

    def finish(self) -> None:
        for thread in self._threads:
            thread.join(100)
            assert not thread.is_alive(), "a reader hangs"
        assert self.wrong == []

    def _read(self, names: list[Path], pieces: int) -> None:
        random = Random(len(names))
        try:
            for name in names:
                right = (self._source / name).read_bytes()
                with open(self._point / name, "rb", buffering=0) as file:
                    for _ in range(pieces):
                        at, length = random.randrange(len(right)), random.randrange(1, 30_000)
                        if os.pread(file.fileno(), length, at) != right[at : at + length]:
                            self.wrong.append(f"{name} at {at}")
                    if not pieces and file.read() != right:
                        self.wrong.append(str(name))
        except OSError as error:
            self.wrong.append(str(error))


def test_random_and_ordered_readers_at_once_read_what_was_committed(
    vfs: Vfs, source: Path, mountpoint: Path
) -> None:
    names = listed(source)
    vfs("mount", "data", mountpoint)
    for seed in range(4):
        drop_caches()
        readers = Readers(mountpoint, source)
        shuffled = list(names)
        Random(seed).shuffle(shuffled)
        readers.start(names)
        readers.start(shuffled)
        readers.start(names[len(names) // 2 :])
        readers.start(shuffled[:200], pieces=6)
        if seed % 2:
            time.sleep(0.1)
            drop_caches()
        readers.finish()


def test_a_reader_in_order_is_answered_by_the_kernel(vfs: Vfs, source: Path, mountpoint: Path) -> None:
    """Most files are pushed before they are read; names are listed for the kernel before they are looked up."""
    vfs("mount", "data", mountpoint)
    names = [name for name in listed(source) if name.parts[0] == "d0"]
    for name in names:
        assert (mountpoint / name).read_bytes() == (source / name).read_bytes()
        time.sleep(0.0005)  # a program that does something with what it read
    seen = stats(vfs, mountpoint)
    assert seen["vfs_requests_total{read}"] <= len(names) / 3
    assert seen["vfs_requests_total{lookup}"] <= len(names) / 3
    assert seen["vfs_pushed_bytes_total"] > 0


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_what_is_damaged_never_reaches_the_page_cache(
    vfs: Vfs, source: Path, mountpoint: Path, isolated: Path, damage: str
) -> None:
    names = [name for name in listed(source) if name.parts[0] == "d1"]
    broken = names[len(names) // 2]
    with Library.open(load().settings) as library:
        resolved = resolve(library, parse_revision(f"data:{broken}"))
        content = library.tree(resolved.stored).get(os.fsencode(str(broken))).content
        assert isinstance(content, ChunkList)
        (ref,) = content.refs
    pack = isolated / "store" / "packs" / ref.pack.hex()[:2] / ref.pack.hex()
    pack.chmod(0o600)
    with open(pack, "r+b") as file:
        if damage == "flip":
            file.seek(ref.offset + ref.stored // 2)
            byte = file.read(1)
            file.seek(ref.offset + ref.stored // 2)
            file.write(bytes([byte[0] ^ 1]))
        else:
            file.truncate(ref.offset + ref.stored // 2)
    vfs("mount", "data", mountpoint)
    for _ in range(2):
        for name in names:
            try:
                data = (mountpoint / name).read_bytes()
            except OSError as error:
                assert error.errno == errno.EIO
                assert damage == "cut" or name == broken
            else:
                assert name != broken
                assert data == (source / name).read_bytes()
        drop_caches()


@contextlib.contextmanager
def limited(megabytes: int) -> Iterator[Callable[[int], None]]:
    """A control group with so much memory; the function moves a process into it."""
    v1, v2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    top, limit = (v1, "memory.limit_in_bytes") if v1.is_dir() else (v2, "memory.max")
    group = top / f"vfs-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / limit).write_text(str(megabytes << 20))
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"no control group with a memory limit can be made: {error}")
    try:
        yield lambda pid: (group / "cgroup.procs").write_text(str(pid)) and None
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            (top / "cgroup.procs").write_text(pid)
        group.rmdir()


@pytest.mark.root
def test_a_scan_with_little_memory_ends_and_is_right(vfs: Vfs, source: Path, mountpoint: Path) -> None:
    """Pushed pages can be reclaimed, so a scan of several times the memory neither hangs nor kills."""
    vfs("mount", "data", mountpoint)
    (mount,) = json.loads(vfs("mounts", "--json").stdout)
    scan = "import pathlib, sys, hashlib\nfor path in sorted(pathlib.Path(sys.argv[1]).rglob('*')):\n"
    scan += "    path.is_file() and print(path.name, hashlib.md5(path.read_bytes()).hexdigest())"
    resident = int(Path(f"/proc/{mount['pid']}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
    with limited(resident + 24) as move:
        move(mount["pid"])
        seen = []
        for _ in range(3):
            drop_caches()
            shell = ["sh", "-c", 'read go; exec "$@"', "sh", sys.executable, "-c", scan, str(mountpoint)]
            reader = subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            move(reader.pid)
            seen.append(reader.communicate(b"go\n", timeout=100)[0])
            assert reader.returncode == 0
        (after,) = json.loads(vfs("mounts", "--json").stdout)
        assert after["state"] == "alive"
    expected = subprocess.run([sys.executable, "-c", scan, str(source)], capture_output=True, check=True).stdout
    assert seen == [expected] * 3


def test_mounts_that_come_and_go_leave_nothing(vfs: Vfs, source: Path, mountpoint: Path) -> None:
    """Twelve here, a thousand under `make stress`; each is left while something is being pushed."""
    names = listed(source)[:40]
    files = len(os.listdir("/proc/self/fd"))
    for _ in range(int(os.environ.get("STRESS_MOUNTS", "12"))):
        vfs("mount", "data", mountpoint)
        for name in names:
            assert (mountpoint / name).stat().st_size == len((mountpoint / name).read_bytes())
        (mount,) = json.loads(vfs("mounts", "--json").stdout)
        vfs("umount", mountpoint)
        assert not mountpoint.is_mount()
        end = time.monotonic() + 45
        while running(mount["pid"]):
            assert time.monotonic() < end, "the daemon outlives its mount"
            time.sleep(0.01)
    assert json.loads(vfs("mounts", "--json").stdout) == []
    assert list(Path(os.environ["VFS_STATE_DIR"], "mounts").glob("*/spec.json")) == []
    assert len(os.listdir("/proc/self/fd")) == files
