"""Who holds something below a directory."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vfs.control.holders import Holder, describe, holders

WAIT = "import sys; print(flush=True); sys.stdin.read()"


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose working directory is below `tmp_path`."""
    (tmp_path / "below").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", WAIT], cwd=tmp_path / "below", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.communicate(timeout=10)


def test_a_working_directory_holds(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    (found,) = holders(str(tmp_path))
    assert (found.pid, found.what) == (holder.pid, str(tmp_path / "below"))
    ours = Holder(os.getpid(), "python", found.what)
    assert describe([ours, found]) == f"held by {found.name} (pid {holder.pid})"
    assert describe([ours]) == f"held by python (pid {os.getpid()})"


def test_an_open_file_and_a_mapping_hold(tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.write_bytes(b"x" * 4096)
    with file.open("rb") as opened:
        assert [found.pid for found in holders(str(tmp_path))] == [os.getpid()]
        mapped = mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ)
    assert [found.what for found in holders(str(tmp_path))] == [str(file)]
    mapped.close()
    assert holders(str(tmp_path)) == []


def test_nobody_is_described_too() -> None:
    assert describe([]).startswith("held by a process of another user")
