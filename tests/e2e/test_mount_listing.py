"""Large directories through the kernel: what a listing says, what it spares, and where it goes on."""

from __future__ import annotations

import ctypes
import os
import random
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mount

Vfs = Callable[..., Any]
Mounted = Callable[..., Path]
NAMES = 3000
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.opendir.restype = _LIBC.readdir64.restype = ctypes.c_void_p
_LIBC.telldir.restype = ctypes.c_long


@pytest.fixture
def shown(vfs: Vfs, isolated: Path, repo: str, mounted: Mounted) -> tuple[Path, Path]:
    """A directory with all kinds of names, and the mount of its commit."""
    source = isolated / "source"
    source.mkdir()
    for number in range(NAMES):
        path, kind = source / f"{number:05}-name", number % 10
        if kind == 0:
            path.symlink_to("x" * (number % 100 + 1))
        elif kind == 1:
            path.mkdir(mode=0o700 + number % 8)
        else:
            path.write_bytes(b"y" * (number * 3 % 2000))
            path.chmod(0o600 + number % 64)
        if kind:
            os.utime(path, ns=(0, number * 1_000_000_007 - 10**12))
    with (source / "sparse").open("wb") as file:
        file.truncate(32 << 20)
        file.seek(16 << 20)
        file.write(b"middle")
    vfs("put", repo, f"{source}/")
    return source, mounted(repo)


def said(status: os.stat_result) -> tuple[int, ...]:
    """What the mount is to show as it was."""
    size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
    return status.st_mode, size, status.st_mtime_ns


def requests(operation: str) -> int:
    """How often the kernel asked the only daemon for `operation`."""
    (door,) = Path(os.environ["VFS_STATE_DIR"], "mounts").glob("*/metrics.sock")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(door))
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        with connection.makefile("rb") as answer:
            lines = answer.read().decode().splitlines()
    label = f'vfs_requests_total{{operation="{operation}"}} '
    return sum(int(float(line.removeprefix(label))) for line in lines if line.startswith(label))


def test_a_listing_says_all_and_nothing_is_asked_after_it(shown: tuple[Path, Path]) -> None:
    source, point = shown
    expected = {entry.name: said(entry.stat(follow_symlinks=False)) for entry in os.scandir(source)}
    found = {entry.name: (entry, entry.stat(follow_symlinks=False)) for entry in os.scandir(point)}
    assert {name: said(status) for name, (_, status) in found.items()} == expected
    for entry, status in found.values():
        assert entry.is_dir(follow_symlinks=False) == stat.S_ISDIR(status.st_mode)
        assert entry.is_symlink() == stat.S_ISLNK(status.st_mode) and entry.inode() == status.st_ino
        assert (status.st_nlink, status.st_blksize) == (1, 64 << 10)
        assert status.st_atime_ns == status.st_ctime_ns == status.st_mtime_ns
        if entry.name != "sparse":
            assert status.st_blocks == (-(-status.st_size // 512) if stat.S_ISREG(status.st_mode) else 0)
    assert found["sparse"][1].st_blocks * 512 <= 4 << 20
    # A machine short of memory may forget some names; it is not asked for each.
    assert requests("getattr") + requests("lookup") < NAMES // 10
    for name, (_, status) in random.Random(1).sample(sorted(found.items()), 50):
        assert os.lstat(point / name) == status


def test_a_listing_goes_on_where_it_is_told(shown: tuple[Path, Path]) -> None:
    _, point = shown
    names = [".", "..", *sorted(os.listdir(point))]
    directory = ctypes.c_void_p(_LIBC.opendir(os.fsencode(point)))
    assert directory.value
    try:
        places, seen = [], []
        while True:
            places.append(_LIBC.telldir(directory))
            line = _LIBC.readdir64(directory)
            if not line:
                break
            seen.append(name_of(line))
        assert seen == names
        for number in random.Random(2).sample(range(len(names)), 100):
            _LIBC.seekdir(directory, ctypes.c_long(places[number]))
            assert name_of(_LIBC.readdir64(directory)) == names[number]
        _LIBC.seekdir(directory, ctypes.c_long(places[-1]))
        assert not _LIBC.readdir64(directory)
    finally:
        _LIBC.closedir(directory)


def name_of(line: int) -> str:
    """The name in a `struct dirent64`, which comes after 19 bytes of numbers."""
    return os.fsdecode(ctypes.string_at(line + 19))
