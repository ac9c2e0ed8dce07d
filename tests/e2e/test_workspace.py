"""Writable mounts over the real daemon: what a commit holds, what a kill at any moment leaves, who else may write."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]
Mounted = Callable[..., Path]

pytestmark = [pytest.mark.mount, pytest.mark.root]

LIMIT = 60.0


def listing(top: Path) -> dict[bytes, tuple[object, ...]]:
    """Everything below a directory, itself as b"": kind, mode, mtime, content or target, user xattrs."""
    base = os.fsencode(top)
    paths = [base]
    for directory, names, files in os.walk(base):
        paths += [os.path.join(directory, name) for name in [*names, *files]]
    return {os.path.relpath(path, base): described(path) for path in paths}


def described(path: bytes) -> tuple[object, ...]:
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        return "link", found.st_mtime_ns, os.readlink(path)
    names = sorted(name for name in os.listxattr(path) if name.startswith("user."))
    rest = found.st_mode, found.st_mtime_ns, [(name, os.getxattr(path, name)) for name in names]
    if stat.S_ISDIR(found.st_mode):
        return "directory", *rest
    with open(path, "rb") as file:
        return "file", *rest, file.read()


@pytest.fixture
def data(vfs: Vfs, isolated: Path) -> str:
    """A repo with the json and email packages of Python, a large file, links and attributes."""
    source = isolated / "source"
    for name in ("json", "email", "unittest"):
        shutil.copytree(Path(os.__file__).parent / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "large").write_bytes(os.urandom(1 << 20) * 5)
    (source / "link").symlink_to("json/decoder.py")
    (source / "empty").mkdir()
    os.setxattr(source / "json/decoder.py", "user.note", b"kept")
    vfs("init")
    vfs("repo", "create", "data")
    vfs("put", "data", f"{source}/")
    return "data"


def committed(vfs: Vfs, isolated: Path, revision: str = "data") -> dict[bytes, tuple[object, ...]]:
    target = isolated / f"exported-{time.monotonic_ns()}"
    vfs("export", revision, target)
    return listing(target)


def changes(vfs: Vfs, point: Path) -> list[dict[str, Any]]:
    return list(json.loads(vfs("status", "--json", point).stdout)["changes"])


def daemon_of(isolated: Path) -> int:
    (place,) = [path for path in (isolated / "state/mounts").iterdir() if not path.name.startswith(".")]
    return int(json.loads((place / "daemon.json").read_text())["pid"])


def work_in(point: Path) -> None:
    """Every kind of change: made, moved, replaced, cut, dressed, linked, removed."""
    (point / "email").rename(point / "mail")
    (point / "mail/mime").rename(point / "json/mime")
    shutil.rmtree(point / "unittest")
    (point / "unittest").mkdir(mode=0o750)
    (point / "unittest/only").write_bytes(b"only")
    (point / "large").chmod(0o600)
    os.setxattr(point / "json/decoder.py", "user.more", b"\x00")
    (point / "json/scanner.py").unlink()
    (point / "json/scanner.py").mkdir()
    with open(point / "json/encoder.py", "r+b") as file:
        file.truncate(100)
    os.link(point / "large", point / "json/large-too")
    (point / "link").unlink()
    (point / "link").symlink_to("mail")
    with open(point / "sparse", "wb") as file:
        file.truncate(1 << 24)
    os.utime(point / "empty", ns=(1, 1_000_000_000_000_000_001))


def test_a_commit_is_what_the_mount_showed_and_the_mount_goes_on(
    vfs: Vfs, data: str, mounted: Mounted, isolated: Path
) -> None:
    point = mounted("--rw", data)
    assert listing(point) == committed(vfs, isolated)
    work_in(point)
    before = listing(point)
    vfs("commit", point, "-m", "first")
    assert committed(vfs, isolated) == before == listing(point) and changes(vfs, point) == []
    (point / "mail/mime-again").write_bytes(b"x")
    (point / "json/mime/text.py").unlink()
    assert {(one["change"], one["path"]) for one in changes(vfs, point)} == {
        ("A", "mail/mime-again"), ("D", "json/mime/text.py"),
    }  # fmt: skip
    before = listing(point)
    vfs("commit", point, "-m", "second")
    assert committed(vfs, isolated) == before
    vfs("umount", point)
    vfs("mount", "--rw", data, point)
    assert listing(point) == before
    (layer,) = (isolated / "state/layers").iterdir()
    assert list((layer / "upper").iterdir()) == []


def test_a_renamed_directory_is_neither_copied_nor_read(vfs: Vfs, data: str, mounted: Mounted, isolated: Path) -> None:
    point = mounted("--rw", data)
    (point / "unittest").rename(point / "tests")
    (point / "large").chmod(0o640)
    (layer,) = (isolated / "state/layers").iterdir()
    on_disk = sum(path.lstat().st_blocks * 512 for path in (layer / "upper").rglob("*") if path.is_file())
    assert on_disk < 100_000
    packs = sum(path.stat().st_size for path in (isolated / "store/packs").rglob("*") if path.is_file())
    vfs("commit", point, "-m", "moved")
    assert (
        sum(path.stat().st_size for path in (isolated / "store/packs").rglob("*") if path.is_file()) - packs < 100_000
    )
    assert (
        committed(vfs, isolated)[b"tests/mock.py"][-1] == (Path(os.__file__).parent / "unittest/mock.py").read_bytes()
    )


def test_writers_go_on_while_the_daemon_is_killed_and_nothing_they_wrote_is_lost(
    vfs: Vfs, data: str, mounted: Mounted, isolated: Path
) -> None:
    point = mounted("--rw", data)
    done: list[list[int]] = [[], []]
    stop = threading.Event()

    def write(worker: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                with open(point / f"w{worker}-{number}", "wb") as file:
                    file.write(b"%d" % number * 500)
                    os.fsync(file.fileno())
            except OSError:
                return
            done[worker].append(number)

    workers = [threading.Thread(target=write, args=(worker,)) for worker in range(2)]
    for worker in workers:
        worker.start()
    time.sleep(0.5)
    os.kill(daemon_of(isolated), signal.SIGKILL)
    time.sleep(0.5)
    stop.set()
    for worker in workers:
        worker.join(timeout=LIMIT)
    assert all(done)
    vfs("mount", "--rw", data, point)
    for worker, numbers in enumerate(done):
        for number in numbers:
            assert (point / f"w{worker}-{number}").read_bytes() == b"%d" % number * 500
    assert (point / "json/decoder.py").read_bytes() == (Path(os.__file__).parent / "json/decoder.py").read_bytes()
    before = listing(point)
    vfs("commit", point, "-m", "after the kill")
    assert committed(vfs, isolated) == before


# The durable steps of a commit, in order: where a process is killed just before it takes them.
STEPS = {
    "pack": "from vfs.store.local import LocalStore as C; n = 'put'",
    "branch": "from vfs.repo.refs import RefSet as C; n = 'move'",
    "index": "from vfs.workspace.index import DigestIndex as C; n = 'save'",
    "tip": "from vfs.workspace.layer import Layer as C; n = 'set_tip'",
}
KILLED = """
import os, signal, sys
{step}
def die(*a, **k):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(C, n, die)
from vfs.cli.main import main
main()
"""


@pytest.mark.parametrize("step", STEPS)
def test_a_commit_killed_before_a_durable_step_is_made_by_the_next(
    vfs: Vfs, data: str, mounted: Mounted, isolated: Path, step: str
) -> None:
    point = mounted("--rw", data)
    work_in(point)
    before = listing(point)
    old = json.loads(vfs("show", "--json", data).stdout)["commit"]
    words = [sys.executable, "-P", "-c", KILLED.format(step=STEPS[step]), "commit", str(point), "-m", "killed"]
    killed = subprocess.run(words, capture_output=True, timeout=LIMIT, check=False, stdin=subprocess.DEVNULL)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    head = json.loads(vfs("show", "--json", data).stdout)["commit"]
    # Old or new, never between: only the last step comes after the branch has moved.
    assert (head == old) is (step != "tip")
    assert committed(vfs, isolated) == (before if step == "tip" else committed(vfs, isolated, f"data@{old}"))
    vfs("commit", point, "-m", "again")
    assert committed(vfs, isolated) == before == listing(point) and changes(vfs, point) == []
    assert len(json.loads(vfs("log", "--json", data).stdout)) == 2


def test_two_hosts_commit_to_one_branch(vfs: Vfs, data: str, mounted: Mounted, isolated: Path) -> None:
    """Another host: a state directory of its own, nothing shared but the store."""
    elsewhere = {"VFS_STATE_DIR": str(isolated / "state2"), "VFS_CACHE_DIR": str(isolated / "cache2")}
    here, there = mounted("--rw", data), isolated / "there"
    there.mkdir()
    vfs("mount", "--rw", data, there, env=elsewhere)
    try:
        (here / "here").write_bytes(b"h")
        (there / "there").write_bytes(b"t")
        vfs("commit", there, "-m", "there", env=elsewhere)
        vfs("commit", here, "-m", "here")
        (here / "here").write_bytes(b"hh")
        vfs("commit", here, "-m", "here again")
        found = committed(vfs, isolated)
        assert found[b"here"][-1] == b"hh" and found[b"there"][-1] == b"t"
        (there / "here").write_bytes(b"mine")
        refused = vfs("commit", there, "-m", "there again", env=elsewhere, ok=False)
        assert refused.returncode == 4 and b"here" in refused.stderr
        assert (there / "here").read_bytes() == b"mine" and committed(vfs, isolated) == found
    finally:
        vfs("umount", there, env=elsewhere)
