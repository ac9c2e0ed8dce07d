"""The cache is damaged, full, read-only or gone: reads go on from the store, and never show what is damaged."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.faultproxy import FaultProxy
from support.hosts import Host, MakeHost, troubles

pytestmark = pytest.mark.mount


def shown(point: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in point.iterdir()}


def packs_asked_for(line: FaultProxy) -> int:
    return sum(request.startswith("GET") and "/packs/" in request for request in line.requests)


def flip(path: Path, every: int) -> None:
    """One bit of every so many bytes that are not in a hole."""
    with open(path, "r+b") as file:
        at = 0
        size = os.fstat(file.fileno()).st_size
        while at < size:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            byte = os.pread(file.fileno(), 1, at)
            os.pwrite(file.fileno(), bytes([byte[0] ^ 4]), at)
            at += every


def removed(directory: Path) -> None:
    """Delete a directory into which a daemon may be writing at this moment."""
    for _ in range(20):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
    raise AssertionError(f"{directory} comes back faster than it is deleted")


@pytest.mark.parametrize("ending", [".data", ".map"])
def test_flipped_bits_in_the_cache_are_fetched_again(
    new_host: MakeHost, host: Host, files: dict[str, bytes], line: FaultProxy, ending: str
) -> None:
    fresh = new_host()
    fresh("prefetch", "data")
    line.clear()
    point = fresh.mount("data")
    assert shown(point) == files
    assert packs_asked_for(line) == 0
    fresh("umount", point)
    kept = list(fresh.cache.rglob(f"*{ending}"))
    assert kept
    for path in kept:
        flip(path, 20_000 if ending == ".data" else 100)
    again = fresh.mount("data")
    assert shown(again) == files
    assert packs_asked_for(line) > 0
    # What was damaged is replaced; the daemon may have ended before it had written all of that.
    fresh("umount", again)
    fresh("prefetch", "data")
    line.clear()
    assert shown(fresh.mount("data")) == files
    assert packs_asked_for(line) == 0


def test_a_cache_that_is_deleted_underneath_is_made_anew(
    new_host: MakeHost, host: Host, files: dict[str, bytes], line: FaultProxy
) -> None:
    fresh = new_host()
    point = fresh.mount("data")
    names = sorted(files)
    for name in names[:4]:
        assert (point / name).read_bytes() == files[name]
    removed(fresh.cache)
    for name in names[4:8]:
        assert (point / name).read_bytes() == files[name]
    removed(fresh.cache)
    assert shown(point) == files
    fresh("umount", point)
    assert shown(fresh.mount("data")) == files


@pytest.fixture
def small_disk(new_host: MakeHost) -> Iterator[Host]:
    """A host whose cache lies on a disk of 4 MiB, all of which it may fill."""
    made = new_host(VFS_CACHE_FLOOR="0")
    made.cache.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", made.cache], check=True, timeout=10)
    yield made
    made.umount_all()
    subprocess.run(["umount", "-l", made.cache], check=True, timeout=10)


@pytest.mark.root
def test_a_cache_on_a_full_disk_is_done_without(small_disk: Host, host: Host, files: dict[str, bytes]) -> None:
    (small_disk.cache / "other").write_bytes(bytes(3 << 20))
    point = small_disk.mount("data")
    assert shown(point) == files
    assert "cannot be written" in troubles(small_disk, point) or "not written" in troubles(small_disk, point)


@pytest.mark.root
def test_a_cache_on_a_read_only_disk_is_done_without(small_disk: Host, host: Host, files: dict[str, bytes]) -> None:
    small_disk("prefetch", "data:f00")
    subprocess.run(["mount", "-o", "remount,ro", small_disk.cache], check=True, timeout=10)
    point = small_disk.mount("data")
    assert shown(point) == files
    assert "reading from the store instead" in troubles(small_disk, point)
    small_disk("umount", point)


@pytest.mark.root
def test_a_cache_that_cannot_be_made_is_done_without(small_disk: Host, host: Host, files: dict[str, bytes]) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk.cache], check=True, timeout=10)
    point = small_disk.mount("data")
    assert shown(point) == files
    assert "no cache" in troubles(small_disk, point)
