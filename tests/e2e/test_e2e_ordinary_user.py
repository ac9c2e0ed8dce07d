"""What an ordinary user can do: mount, write in a mount, run programs; and what others cannot see."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.mount, pytest.mark.root]

NOBODY = 65534
User = Callable[..., "subprocess.CompletedProcess[bytes]"]


def as_nobody(words: list[Any], place: Path, timeout: float = 60) -> subprocess.CompletedProcess[bytes]:
    """Run a command as an ordinary user whose home, store and state lie in `place`."""
    env = {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "HOME": str(place / "home"),
        "VFS_STORE": f"file://{place}/home/store",
        "VFS_STATE_DIR": str(place / "home" / "state"),
        "VFS_CACHE_DIR": str(place / "home" / "cache"),
    }
    return subprocess.run(
        words,
        cwd=place / "home",
        env=env,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        check=False,
    )


@pytest.fixture
def home(public_dir: Path, fuse_for_all: None) -> Path:
    """The home of an ordinary user who can execute this Python and import vfs; mounts in it end with the test."""
    home = public_dir / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    probe = as_nobody([sys.executable, "-c", "import pyfuse3, vfs.cli.main, vfsd"], public_dir)
    if probe.returncode:
        pytest.skip(f"an ordinary user cannot use {sys.executable}: {probe.stderr.decode()[-200:]}")
    return home


@pytest.fixture
def vfs_user(home: Path) -> User:
    """Run `vfs` as that user."""

    def run(*words: object, ok: bool = True) -> subprocess.CompletedProcess[bytes]:
        program = "from vfs.cli.main import main; main()"
        done = as_nobody([sys.executable, "-c", program, *map(str, words)], home.parent)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert not ok or done.returncode == 0, f"vfs {words!r}: {done.stderr.decode()}"
        return done

    return run


@pytest.fixture
def data(home: Path, vfs_user: User) -> str:
    """A repo with one file."""
    (home / "file").write_text("for everybody\n")
    vfs_user("init")
    vfs_user("repo", "create", "data")
    vfs_user("put", "data", home / "file")
    return "data"


def test_mounts_and_unmounts(home: Path, data: str, vfs_user: User) -> None:
    if not shutil.which("fusermount3"):
        pytest.skip("fusermount3 is not installed")
    as_nobody(["mkdir", "mnt"], home.parent)
    vfs_user("mount", "--private", data, home / "mnt")
    assert as_nobody(["cat", "mnt/file"], home.parent).stdout == b"for everybody\n"
    assert b"mnt" in vfs_user("mounts").stdout
    state = (home / "state").stat()
    assert (stat.S_IMODE(state.st_mode), state.st_uid) == (0o700, NOBODY)
    # Without allow_other the kernel keeps every other user out, root too.
    with pytest.raises(PermissionError):
        os.listdir(home / "mnt")
    vfs_user("umount", home / "mnt")
    assert as_nobody(["ls", "mnt"], home.parent).stdout == b""


def test_writes_in_a_mount_and_commits(home: Path, data: str, vfs_user: User) -> None:
    if not shutil.which("fuse-overlayfs"):
        pytest.skip("fuse-overlayfs is not installed")
    as_nobody(["mkdir", "mnt"], home.parent)
    vfs_user("mount", "--rw", data, home / "mnt")
    wrote = as_nobody(["sh", "-c", "echo mine > mnt/new && rm mnt/file && mkdir mnt/dir"], home.parent)
    assert wrote.returncode == 0, wrote.stderr
    vfs_user("commit", home / "mnt", "-m", "mine")
    assert vfs_user("ls", data).stdout.split() == [b"dir", b"new"]
    vfs_user("umount", home / "mnt")


def test_runs_a_program(home: Path, data: str, vfs_user: User) -> None:
    if as_nobody(["unshare", "-rm", "true"], home.parent).returncode:
        pytest.skip("this kernel does not give ordinary users a user namespace")
    vfs_user("run", "-i", data, "-o", "result", "--", "sh", "-c", "tr a-z A-Z < /pfs/data/file > /pfs/out/loud")
    assert vfs_user("cat", "result:loud").stdout == b"FOR EVERYBODY\n"
    assert b"data" in vfs_user("lineage", "result:loud").stdout
    failed = vfs_user("run", "-i", data, "-o", "result", "--", "sh", "-c", "exit 9", ok=False)
    assert failed.returncode == 9
