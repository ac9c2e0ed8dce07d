"""What goes wrong on real machines: full disks, killed commands, missing devices, damaged stores."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from trees import big_file, many_files

pytestmark = [pytest.mark.mount, pytest.mark.timeout(180)]

Vfs = Callable[..., Any]
Mounted = Callable[..., Path]
PROGRAM = "from vfs.cli.main import main; main()"


@pytest.fixture
def small_disk(isolated: Path) -> Iterator[Path]:
    """A disk of 24 MiB."""
    if os.geteuid() != 0:
        pytest.skip("needs uid 0")
    disk = isolated / "small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "small", disk], check=True, timeout=20)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True, timeout=20)


def head(vfs: Vfs, repo: str, **more: Any) -> str:
    """The id of the newest commit of a branch."""
    commits = json.loads(vfs("log", "--json", "-n", "1", repo, **more).stdout)
    return str(commits[0]["commit"])


def test_a_full_store_refuses_the_commit_and_keeps_the_branch(isolated: Path, small_disk: Path, vfs: Vfs) -> None:
    there = {"VFS_STORE": f"file://{small_disk}/store"}
    vfs("init", env=there)
    vfs("repo", "create", "data", env=there)
    (isolated / "first").write_text("first\n")
    vfs("put", "data", isolated / "first", env=there)
    before = head(vfs, "data", env=there)
    (isolated / "large").write_bytes(os.urandom(40 << 20))
    failed = vfs("put", "data", isolated / "large", env=there, ok=False)
    assert failed.returncode == 3
    (line,) = failed.stderr.decode().splitlines()
    assert "no room left" in line or "space" in line
    assert head(vfs, "data", env=there) == before
    assert vfs("cat", "data:first", env=there).stdout == b"first\n"
    subprocess.run(["mount", "-o", "remount,size=100m", small_disk], check=True, timeout=20)
    vfs("put", "data", isolated / "large", env=there)
    vfs("verify", "data", env=there)


@pytest.mark.root
def test_a_full_disk_below_a_layer_is_enospc_and_what_exists_can_be_committed(
    isolated: Path, small_disk: Path, repo: str, vfs: Vfs, mountpoint: Path
) -> None:
    (isolated / "seed").write_text("seed\n")
    vfs("put", repo, isolated / "seed")
    there = {"VFS_STATE_DIR": str(small_disk / "state")}
    vfs("mount", "--rw", repo, mountpoint, env=there)
    try:
        (mountpoint / "kept").write_text("kept\n")
        with pytest.raises(OSError) as failed, (mountpoint / "large").open("wb") as stream:
            for _ in range(40):
                stream.write(bytes(1 << 20))
                stream.flush()
        assert failed.value.errno == errno.ENOSPC
        assert (mountpoint / "kept").read_text() == "kept\n"
        (mountpoint / "large").unlink()
        vfs("commit", mountpoint, "-m", "what there was", env=there)
        assert vfs("ls", repo).stdout.split() == [b"kept", b"seed"]
    finally:
        vfs("umount", mountpoint, env=there)


def test_a_killed_put_leaves_the_branch_old_or_new_and_is_finished_by_the_next(
    isolated: Path, repo: str, vfs: Vfs
) -> None:
    source = isolated / "source"
    many_files(source, 3000)
    (isolated / "first").write_text("first\n")
    vfs("put", repo, isolated / "first")
    old = head(vfs, repo)
    killed = 0
    for delay in (0.15, 0.3, 0.45, 0.6, 0.8, 1.0):
        put = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "put", repo, f"{source}/"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(delay)
        put.send_signal(signal.SIGKILL)
        killed += put.wait(timeout=20) == -signal.SIGKILL
        now = head(vfs, repo)
        names = vfs("ls", repo).stdout.split()
        assert (now == old and names == [b"first"]) or len(names) == 31
        vfs("verify", repo)
    assert killed
    vfs("put", repo, f"{source}/")
    assert len(vfs("ls", repo).stdout.split()) == 31
    vfs("verify", repo)


@pytest.mark.parametrize("damage", ["truncated", "missing", "swapped"])
def test_a_damaged_pack_hurts_only_what_lies_in_it(
    isolated: Path, repo: str, vfs: Vfs, mounted: Mounted, damage: str
) -> None:
    for name in ("one", "two"):
        (isolated / name).write_bytes(os.urandom(3 << 20))
        vfs("put", repo, isolated / name)
    packs = [path for path in (isolated / "store" / "packs").rglob("*") if path.is_file()]
    # The two largest hold the contents, the others pages.
    hit, other = sorted(packs, key=lambda path: path.stat().st_size)[-2:]
    hit.chmod(0o600)
    if damage == "truncated":
        os.truncate(hit, hit.stat().st_size // 3)
    elif damage == "missing":
        hit.unlink()
    else:
        shutil.copy(other, hit)
    mount = mounted(repo)
    outcomes = {}
    for name in ("one", "two"):
        try:
            outcomes[name] = (mount / name).read_bytes() == (isolated / name).read_bytes()
        except OSError as error:
            outcomes[name] = error.errno
    assert sorted(outcomes.values(), key=str) == [errno.EIO, True]
    bad = next(name for name, outcome in outcomes.items() if outcome == errno.EIO)
    told = vfs("cat", f"{repo}:{bad}", ok=False)
    assert told.returncode == (3 if damage == "missing" else 5)
    assert hit.name in told.stderr.decode()
    checked = vfs("verify", repo, ok=False)
    assert checked.returncode == 5
    assert bad.encode() in checked.stdout + checked.stderr


def in_a_machine_without(what: str, words: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command where a device or a program is hidden from it alone."""
    hide = {
        "/dev/fuse": "mkdir -p /tmp && d=$(mktemp -d) && for n in null zero urandom; do touch $d/$n && "
        "mount --bind /dev/$n $d/$n; done && mount --rbind $d /dev",
        "fusermount3": f"mount --bind /dev/null {shutil.which('fusermount3') or '/usr/bin/fusermount3'}",
    }[what]
    return subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-ec", f'{hide}; exec "$@"', "sh", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.root
def test_without_dev_fuse_the_remedy_is_named(isolated: Path, repo: str, vfs: Vfs, mountpoint: Path) -> None:
    (isolated / "file").write_text("x\n")
    vfs("put", repo, isolated / "file")
    done = in_a_machine_without("/dev/fuse", [sys.executable, "-c", PROGRAM, "mount", repo, str(mountpoint)])
    assert done.returncode == 6, done.stderr
    (line,) = done.stderr.splitlines()
    assert "/dev/fuse" in line
    assert "Traceback" not in done.stderr


@pytest.mark.root
def test_without_fusermount3_an_ordinary_user_is_told_what_to_install(public_dir: Path, fuse_for_all: None) -> None:
    home = public_dir / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    (home / "file").write_text("x\n")
    env = [f"HOME={home}", f"VFS_STORE=file://{home}/store", f"VFS_STATE_DIR={home}/state"]
    who = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    nobody = [*who, "env", *env, sys.executable, "-c"]
    probe = subprocess.run([*nobody, "import pyfuse3, vfsd"], capture_output=True, text=True, timeout=30, check=False)
    if probe.returncode:
        pytest.skip(f"an ordinary user cannot use {sys.executable}: {probe.stderr[-200:]}")
    for words in (["init"], ["repo", "create", "data"], ["put", "data", str(home / "file")]):
        subprocess.run([*nobody, PROGRAM, *words], check=True, timeout=60, capture_output=True)
    subprocess.run([*who, "mkdir", home / "mnt"], check=True, timeout=20)
    done = in_a_machine_without("fusermount3", [*nobody, PROGRAM, "mount", "data", str(home / "mnt")])
    assert done.returncode == 6, done.stderr
    (line,) = done.stderr.splitlines()
    assert "fusermount3" in line


def test_a_dead_mount_is_listed_cleared_and_mounted_again(
    isolated: Path, repo: str, vfs: Vfs, mountpoint: Path
) -> None:
    big_file(isolated / "file", 1 << 20)
    vfs("put", repo, isolated / "file")
    vfs("mount", repo, mountpoint)
    (mount,) = json.loads(vfs("mounts", "--json").stdout)
    os.kill(mount["pid"], signal.SIGKILL)
    end = time.monotonic() + 10
    while json.loads(vfs("mounts", "--json").stdout)[0]["state"] == "alive":
        assert time.monotonic() < end
        time.sleep(0.1)
    vfs("mount", repo, mountpoint)
    assert (mountpoint / "file").read_bytes() == (isolated / "file").read_bytes()
    second = vfs("mount", repo, mountpoint, ok=False)
    assert second.returncode == 6
    assert str(mountpoint) in second.stderr.decode()
    vfs("umount", mountpoint)
    assert json.loads(vfs("mounts", "--json").stdout) == []
