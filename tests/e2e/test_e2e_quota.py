"""Layers of limited size: programs get ENOSPC, statfs says so, and no loop device is left, whatever happened."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.mount, pytest.mark.root, pytest.mark.timeout(240)]

MIB = 1 << 20
PATIENCE = 45.0
Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]


def loops(place: Path) -> list[str]:
    """The loop devices whose files lie below `place`."""
    listed = subprocess.run(["losetup", "-n", "-O", "BACK-FILE"], capture_output=True, timeout=30, check=True)
    return [line for line in listed.stdout.decode().splitlines() if str(place) in line]


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def _loops_work(place: Path) -> str:
    """ "" when this machine has loop devices and mkfs.ext4, else what it said."""
    image, point = place / "probe.img", place / "probe"
    point.mkdir()
    with open(image, "wb") as file:
        file.truncate(16 * MIB)
    for words in (["mkfs.ext4", "-q", "-F", image], ["mount", "-o", "loop", image, point], ["umount", point]):
        try:
            done = subprocess.run(words, capture_output=True, timeout=60, check=False)
        except OSError as error:
            return str(error)
        if done.returncode:
            return done.stderr.decode()
    return ""


@pytest.fixture
def limited(vfs: Vfs, repo: str, isolated: Path) -> Iterator[Path]:
    """A mount of 24 MiB over a commit with a file of 4 MiB; afterwards no loop device may be left."""
    missing = _loops_work(isolated)
    if missing:
        pytest.skip(f"no loop devices: {missing}")
    source = isolated / "source"
    source.mkdir()
    (source / "large").write_bytes(os.urandom(4 * MIB))
    (source / "small").write_bytes(b"small")
    vfs("put", repo, f"{source}/")
    point = isolated / "mnt"
    point.mkdir()
    vfs("mount", "--rw", "--max-size", "24MiB", repo, point)
    yield point
    vfs("umount", point, ok=False)
    until(lambda: loops(isolated) == [])


def fill(path: Path) -> int:
    """Write until the disk is full; how much went in."""
    written = 0
    with open(path, "wb", buffering=0) as file:
        try:
            while written < 64 * MIB:
                written += file.write(b"x" * MIB)
            os.fsync(file.fileno())
        except OSError as error:
            assert error.errno == errno.ENOSPC
    return written


def only_layer(vfs: Vfs) -> dict[str, Any]:
    (layer,) = json.loads(vfs("mounts", "--layers", "--json").stdout)
    found: dict[str, Any] = layer
    return found


def test_programs_meet_the_limit_and_go_on(limited: Path, vfs: Vfs, isolated: Path) -> None:
    space = os.statvfs(limited)
    assert 12 * MIB < space.f_blocks * space.f_frsize <= 24 * MIB
    written = fill(limited / "filler")
    assert 12 * MIB <= written <= 24 * MIB
    # A file of the commit cannot be copied up for writing either, and stays as it was.
    with pytest.raises(OSError, match="No space left"):
        open(limited / "large", "r+b").close()
    assert (limited / "large").stat().st_size == 4 * MIB
    (limited / "filler").unlink()
    (limited / "kept").write_bytes(b"kept")
    vfs("commit", limited, "-m", "within the limit")
    assert vfs("cat", "data:kept").stdout == b"kept"
    layer = only_layer(vfs)
    assert layer["max_size"] == 24 * MIB and layer["size"] < MIB and layer["mounted"]
    # All of it was taken from the disk at once: a full disk cannot make it lose what programs were told is written.
    assert os.stat(Path(layer["directory"]) / "volume.img").st_blocks * 512 >= 24 * MIB


def test_an_unmounted_layer_is_shown_committed_and_mounted_again(limited: Path, vfs: Vfs, isolated: Path) -> None:
    (limited / "new").write_bytes(b"new")
    vfs("umount", limited)
    until(lambda: loops(isolated) == [])
    assert vfs("diff", limited).stdout == b"A  new\n"
    vfs("commit", limited, "-m", "while nothing is mounted")
    assert loops(isolated) == []
    vfs("mount", "--rw", "data", limited)
    # Nothing was left to go on with: this is a new layer, without a limit.
    assert (limited / "new").read_bytes() == b"new" and loops(isolated) == []


def test_changes_keep_their_limit(limited: Path, vfs: Vfs, isolated: Path) -> None:
    (limited / "new").write_bytes(b"new")
    vfs("umount", limited)
    refused = vfs("mount", "--rw", "--max-size", "32MiB", "data", limited, ok=False)
    assert refused.returncode == 1 and b"a limit of 24.0 MiB" in refused.stderr
    assert loops(isolated) == []
    vfs("mount", "--rw", "data", limited)
    assert (limited / "new").read_bytes() == b"new" and len(loops(isolated)) == 1


def test_a_killed_daemon_leaves_what_was_synced_and_no_device(limited: Path, vfs: Vfs, isolated: Path) -> None:
    with open(limited / "synced", "wb") as file:
        file.write(b"synced")
        os.fsync(file.fileno())
    (mount,) = json.loads(vfs("mounts", "--json").stdout)
    os.kill(mount["pid"], signal.SIGKILL)
    until(lambda: b"dead" in vfs("mounts").stdout)
    vfs("mount", "--rw", "data", limited)
    assert (limited / "synced").read_bytes() == b"synced"
    assert len(loops(isolated)) == 1
    vfs("umount", limited)
    until(lambda: loops(isolated) == [])
    layer = only_layer(vfs)
    vfs("discard", layer["id"])
    assert not Path(layer["directory"]).exists() and loops(isolated) == []


def test_a_daemon_killed_and_a_mount_taken_away_by_hand(limited: Path, vfs: Vfs, isolated: Path) -> None:
    (limited / "new").write_bytes(b"new")
    (mount,) = json.loads(vfs("mounts", "--json").stdout)
    os.kill(mount["pid"], signal.SIGKILL)
    subprocess.run(["umount", "--lazy", limited], check=True, timeout=60)
    # Whoever looks at the layers next frees the device; what was written is listed, and goes on somewhere else.
    vfs("mounts")
    until(lambda: loops(isolated) == [])
    elsewhere = isolated / "elsewhere"
    elsewhere.mkdir()
    vfs("mount", "--rw", "--layer", only_layer(vfs)["id"], elsewhere)
    assert (elsewhere / "new").read_bytes() == b"new"
    vfs("umount", elsewhere)


def test_a_shell_has_a_limit(limited: Path, vfs: Vfs, isolated: Path) -> None:
    vfs("umount", limited)
    script = "dd if=/dev/zero of=filler bs=1M count=60"
    full = vfs("shell", "--max-size", "16MiB", "--discard", "data", "sh", "-c", script, ok=False)
    assert full.returncode == 1 and b"No space left on device" in full.stderr
    until(lambda: loops(isolated) == [])


def test_what_cannot_be_is_refused_and_leaves_nothing(vfs: Vfs, repo: str, isolated: Path) -> None:
    point = isolated / "mnt"
    point.mkdir()
    (isolated / "file").write_bytes(b"x")
    vfs("put", repo, isolated / "file")
    for size, said in (("1MiB", b"from 16.0 MiB"), ("many", b"not a size"), ("8191TiB", b"from 16.0 MiB")):
        refused = vfs("mount", "--rw", "--max-size", size, repo, point, ok=False)
        assert refused.returncode == 2 and said in refused.stderr and refused.stderr.count(b"\n") == 1
    assert vfs("mount", "--max-size", "16MiB", repo, point, ok=False).returncode == 2
    # Larger than any disk this runs on.
    full = vfs("mount", "--rw", "--max-size", "15TiB", repo, point, ok=False)
    assert full.returncode == 1 and b"volume.img: cannot be made with 15.0 TiB" in full.stderr
    assert json.loads(vfs("mounts", "--layers", "--json").stdout) == []
    assert list((isolated / "state" / "layers").iterdir()) == []
