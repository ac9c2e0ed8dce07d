"""Runs and shells that fill the disk of the state directory: what went wrong first is told, and where the output is."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mount, pytest.mark.root, pytest.mark.timeout(180)]

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]
FILL = "cat data 2>/dev/null || cat /pfs/data/data; cat /dev/zero > {}; exit {}"


@pytest.fixture
def full(vfs: Vfs, repo: str, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 8 MiB for the state directory; the store has room."""
    (isolated / "data").write_text("of the commit\n")
    vfs("put", repo, isolated / "data")
    disk = isolated / "rfdisk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "rfdisk", disk], check=True, timeout=20)
    monkeypatch.setenv("VFS_STATE_DIR", str(disk / "state"))
    yield disk
    subprocess.run(["umount", "-l", disk], check=True, timeout=20)


def lines(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    return [line for line in done.stderr.decode().splitlines() if line.startswith("vfs: ")]


def test_a_run_names_its_status_its_output_and_the_journal(full: Path, vfs: Vfs, repo: str) -> None:
    run = ("run", "-i", repo, "-o", "rfout", "--", "sh", "-c")
    done = vfs(*run, FILL.format("/pfs/out/filler", 3), ok=False)
    assert done.returncode == 3 and b"No space left on device" in done.stderr
    *warned, last = lines(done)
    said = re.fullmatch(r"vfs: run: the command ended with status 3; nothing was committed; .* is kept in (\S+)", last)
    assert said and os.listdir(said[1]) == ["filler"]
    assert any("the end of session" in line and "no room left on its disk" in line for line in warned)
    # What was read is not in the journal, so nothing is said of what was not read.
    assert b"unused" not in done.stderr

    Path(said[1], "filler").unlink()
    good = vfs(*run, FILL.format("/pfs/out/filler", 0), ok=False)
    assert good.returncode == 6
    (one,) = lines(good)
    assert one.startswith("vfs: run: what the command read could not be recorded: journal ")
    kept = re.search(r"; nothing was committed; what the command wrote is kept in (\S+); the end of session ", one)
    assert kept and os.listdir(kept[1]) == ["filler"]
    # What cannot begin leaves nothing behind.
    before = sorted((full / "state" / "runs").iterdir())
    refused = vfs(*run, "true", ok=False)
    assert refused.returncode == 1 and len(lines(refused)) == 1
    assert sorted((full / "state" / "runs").iterdir()) == before


def test_a_shell_names_its_layer_and_the_journal(full: Path, vfs: Vfs, repo: str) -> None:
    done = vfs("shell", "--commit", repo, "sh", "-c", FILL.format("filler", 0), ok=False)
    assert done.returncode == 6
    (layer,) = json.loads(vfs("mounts", "--layers", "--json").stdout)
    *warned, last = lines(done)
    assert last.endswith(f"; nothing was committed; what was written is in layer {layer['id']}")
    assert any("the end of session" in line for line in warned)
    assert list((full / "state" / "runs").iterdir()) == []
