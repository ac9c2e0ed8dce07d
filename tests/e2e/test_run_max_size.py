"""Runs with a limited output: programs get ENOSPC, the output is kept, and no loop device or mount is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mount, pytest.mark.root, pytest.mark.timeout(240)]

MIB = 1 << 20
PATIENCE = 45.0
PROGRAM = "from vfs.cli.main import main; main()"
Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]


def until(what: Callable[[], bool], said: str) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, said
        time.sleep(0.05)


def left(place: Path) -> list[str]:
    """Loop devices and mounts, the probe's aside, that are below `place`."""
    listed = subprocess.run(["losetup", "-n", "-O", "BACK-FILE"], capture_output=True, timeout=30, check=True)
    table = Path("/proc/self/mountinfo").read_text()
    return [line for line in (listed.stdout.decode() + table).splitlines() if str(place) in line]


@contextmanager
def shown(image: Path, place: Path) -> Iterator[Path]:
    point = place / "rmpoint"
    point.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", image, point], check=True, timeout=60)
    try:
        yield point / "out"
    finally:
        subprocess.run(["umount", point], check=True, timeout=60)


@pytest.fixture
def limited(vfs: Vfs, repo: str, isolated: Path) -> Iterator[tuple[str, ...]]:
    """The words of a run of 16 MiB up to its command; afterwards nothing may be left of it."""
    image = isolated / "rmprobe.img"
    image.write_bytes(b"")
    os.truncate(image, 16 * MIB)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", image], capture_output=True, timeout=60, check=True)
        with shown(image, isolated):
            pass
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no loop devices: {error}")
    (isolated / "words").write_text("words\n")
    vfs("put", repo, isolated / "words")
    yield ("run", "--max-size", "16MiB", "-i", repo, "-o", "rmout", "--")
    until(lambda: left(isolated) == [], "something is left of the volume")


def kept(said: bytes) -> Path:
    found = re.search(rb" kept in (\S+) \(ext4: mount -o loop ", said)
    assert found, said
    return Path(os.fsdecode(found[1]))


def test_programs_meet_the_limit_and_what_fits_is_committed(vfs: Vfs, limited: tuple[str, ...], isolated: Path) -> None:
    fill = "cat /dev/zero > /pfs/out/filler || rm /pfs/out/filler"
    script = f"cat /pfs/data/words > /pfs/out/kept; {fill}; stat -fc %b:%S /pfs/out"
    done = vfs(*limited, "sh", "-c", script)
    assert b"No space left on device" in done.stderr
    blocks, size = map(int, done.stdout.split(b":"))
    assert 8 * MIB < blocks * size <= 16 * MIB
    assert vfs("cat", "rmout:kept").stdout == b"words\n" and vfs("ls", "rmout").stdout == b"kept\n"
    assert b"sh -c" in vfs("show", "--full", "rmout").stdout.rpartition(b"outputs:")[2]
    assert os.listdir(isolated / "state" / "runs") == []

    full = vfs(*limited, "sh", "-c", "echo x > /pfs/out/first; exec cat /dev/zero > /pfs/out/filler", ok=False)
    assert full.returncode == 1 and b"No space left on device" in full.stderr
    image = kept(full.stderr)
    until(lambda: left(isolated) == [], "the volume of the run that failed is still mounted")
    with shown(image, isolated) as out:
        assert sorted(os.listdir(out)) == ["filler", "first"]
    assert vfs("ls", "rmout").stdout == b"kept\n"


def test_whoever_is_killed_nothing_stays_mounted(vfs: Vfs, limited: tuple[str, ...], isolated: Path) -> None:
    runs, seen = isolated / "state" / "runs", set[Path]()
    for victim, status in (("interrupt", 130), ("command", 137), ("supervisor", 6), ("vfs", -signal.SIGKILL)):
        said = killed(victim, status, limited, isolated)
        (place,) = set(runs.iterdir()) - seen
        seen.add(place)
        assert victim == "vfs" or kept(said) == place / "volume.img"
        # What is free in an image that is kept is not taken from the disk, if somebody was there to say so.
        assert victim == "vfs" or os.stat(place / "volume.img").st_blocks * 512 < 12 * MIB
        with shown(place / "volume.img", isolated) as out:
            assert (out / "first").read_text() == "x\n"
    assert vfs("ls", "rmout", ok=False).returncode == 1


def killed(victim: str, status: int, limited: tuple[str, ...], isolated: Path) -> bytes:
    """What a run said in the end, of which one process was killed; when nothing is mounted any more."""
    ready = isolated / f"rmready-{victim}"
    tell = f"echo $$ $PPID > {ready}.new; mv {ready}.new {ready}"
    # What the shell starts outlives it when it is killed.
    script = f"echo x > /pfs/out/first; sync /pfs/out/first; {tell}; sleep 1000; :"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *limited, "sh", "-c", script],
        cwd=isolated, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    until(ready.exists, "the command did not start")
    command, supervisor = map(int, ready.read_text().split())
    if victim == "interrupt":
        os.killpg(process.pid, signal.SIGINT)
    else:
        os.kill({"command": command, "supervisor": supervisor, "vfs": process.pid}[victim], signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == status, said
    until(lambda: left(isolated) == [], f"the volume is still mounted after the end of {victim}")
    return said


def test_a_limit_that_cannot_be_is_refused_and_leaves_nothing(vfs: Vfs, repo: str, isolated: Path) -> None:
    (isolated / "words").write_text("words\n")
    vfs("put", repo, isolated / "words")
    for size, said, status in (
        ("1MiB", b"from 16.0 MiB", 2),
        ("many", b"not a size", 2),
        # Larger than any disk this runs on.
        ("15TiB", b"volume.img: cannot be made with 15.0 TiB", 1),
    ):
        refused = vfs("run", "--max-size", size, "-i", repo, "-o", "rmout", "--", "true", ok=False)
        assert refused.returncode == status and said in refused.stderr and refused.stderr.count(b"\n") == 1
    assert list((isolated / "state" / "runs").iterdir()) == []
