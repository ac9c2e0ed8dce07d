from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vfs.errors import AlreadyExists, LocalDenied, LocalFull, LocalIOError
from vfs.files.atomic import TEMP_PREFIX, fsync_dir, write_atomic

MOUNT_LIMIT = 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", disk], check=True, timeout=MOUNT_LIMIT)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True, timeout=MOUNT_LIMIT)


def test_content_and_mode_are_as_given(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"one")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one", 0o600)
    write_atomic(path, memoryview(b"two, longer"), mode=0o640)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two, longer", 0o640)
    assert os.listdir(tmp_path) == ["file"]


def test_a_name_of_255_bytes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomic(path, b"x")
    assert path.read_bytes() == b"x"


def test_a_relative_path_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_atomic("file", b"x")
    assert (tmp_path / "file").read_bytes() == b"x"


def test_exclusive_leaves_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"mine", exclusive=True)
    with pytest.raises(AlreadyExists, match="file: exists already"):
        write_atomic(path, b"yours", exclusive=True)
    assert path.read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["file"]


def test_a_symlink_in_place_of_the_file_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "file").symlink_to("target")
    write_atomic(tmp_path / "file", b"new")
    assert (tmp_path / "target").read_bytes() == b"precious"
    assert not (tmp_path / "file").is_symlink()


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalIOError, match=r"none/file: cannot be written: no such file or directory$"):
        write_atomic(tmp_path / "none" / "file", b"x")
    with pytest.raises(LocalIOError, match=r"none: cannot be made durable: no such file or directory$"):
        fsync_dir(tmp_path / "none")


@pytest.mark.root
def test_a_full_disk_leaves_the_old_content_and_nothing_else(small_disk: Path) -> None:
    path = small_disk / "file"
    write_atomic(path, b"old")
    with pytest.raises(LocalFull, match="no space left on device"):
        write_atomic(path, bytes(2 << 20))
    assert path.read_bytes() == b"old"
    assert os.listdir(small_disk) == ["file"]
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.root
def test_a_read_only_disk_denies(small_disk: Path) -> None:
    write_atomic(small_disk / "file", b"old")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True, timeout=MOUNT_LIMIT)
    with pytest.raises(LocalDenied, match="read-only file system"):
        write_atomic(small_disk / "file", b"new")
    assert (small_disk / "file").read_bytes() == b"old"


# Ends the process, as a power cut would, before the durable step number argv[2]; exits 9 when it got there.
CRASH = """
import os, sys
from vfs.files import atomic

left = int(sys.argv[2])

def counted(call):
    def step(*words, **named):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return call(*words, **named)
    return step

for name in ("open", "write", "fsync", "rename", "link", "unlink"):
    setattr(os, name, counted(getattr(os, name)))
atomic.write_atomic(sys.argv[1], b"new" * 1000, exclusive=sys.argv[3] == "exclusive")
"""


@pytest.mark.parametrize("way", ["replace", "exclusive"])
def test_a_crash_at_any_step_leaves_old_or_new_and_at_most_a_temporary_file(tmp_path: Path, way: str) -> None:
    seen = []
    for step in range(20):
        directory = tmp_path / str(step)
        directory.mkdir()
        path = directory / "file"
        if way == "replace":
            path.write_bytes(b"old")
        status = subprocess.run([sys.executable, "-c", CRASH, path, str(step), way], timeout=30, check=False).returncode
        content = path.read_bytes() if path.exists() else b"old"
        others = [name for name in os.listdir(directory) if name != "file"]
        assert content in (b"old", b"new" * 1000)
        assert len(others) <= 1
        assert all(name.startswith(TEMP_PREFIX) for name in others)
        seen.append((status, content == b"old"))
        if status == 0:
            break
    assert seen[-1] == (0, False)
    assert seen.count((9, True)) >= 4
    assert (9, False) in seen
