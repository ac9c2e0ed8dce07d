"""The local cache of a store far away, as a user meets it: prefetch, cache, stats, and mounts that use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

FILES, SIZE = 300, 12_000
pytestmark = pytest.mark.usefixtures("bucket")


@pytest.fixture
def source(vfs: Callable[..., Any], isolated: Path) -> Path:
    """A commit of small files and one larger one, put by a host whose cache is then emptied."""
    source = isolated / "source"
    (source / "small").mkdir(parents=True)
    for number in range(FILES):
        (source / "small" / f"{number:04}.bin").write_bytes(Random(number).randbytes(SIZE + number))
    (source / "large.bin").write_bytes(Random(-1).randbytes(40 << 20))
    vfs("init")
    vfs("repo", "create", "data")
    vfs("put", "data", f"{source}/")
    vfs("cache", "clear")
    return source


def stats(vfs: Callable[..., Any], point: Path) -> dict[str, float]:
    """All metrics of the mount at `point`."""
    (found,) = json.loads(vfs("stats", point, "--json").stdout)
    return found["metrics"]


def gets(vfs: Callable[..., Any], point: Path) -> int:
    """How many GETs the mount made so far."""
    return int(stats(vfs, point).get("vfs_store_requests_total{get}", 0))


def test_what_was_prefetched_is_read_without_the_store(vfs: Callable[..., Any], source: Path, mountpoint: Path) -> None:
    said = vfs("prefetch", "data").stdout.decode()
    assert said.startswith(f"{FILES + 1} files, ")
    held = json.loads(vfs("cache", "status", "--json").stdout)
    assert held["bytes"] >= 40 << 20
    assert vfs("prefetch", "data:small").stdout.decode().startswith(f"{FILES} files, ")
    vfs("mount", "data", mountpoint)
    (mountpoint / "large.bin").stat()
    before = gets(vfs, mountpoint)
    assert (mountpoint / "large.bin").read_bytes() == (source / "large.bin").read_bytes()
    for path in sorted((source / "small").iterdir()):
        assert (mountpoint / "small" / path.name).read_bytes() == path.read_bytes()
    assert gets(vfs, mountpoint) == before
    found = stats(vfs, mountpoint)
    assert found["vfs_cache_hits_total"] > 0
    assert found.get("vfs_cache_drops_total", 0) == 0


def test_small_files_in_order_come_in_few_requests(vfs: Callable[..., Any], source: Path, mountpoint: Path) -> None:
    vfs("mount", "data", mountpoint)
    names = sorted(path.name for path in (mountpoint / "small").iterdir())
    before = gets(vfs, mountpoint)
    for name in names:
        assert (mountpoint / "small" / name).read_bytes() == (source / "small" / name).read_bytes()
    assert gets(vfs, mountpoint) - before <= 20, "the first files one by one, then twice as many each time"
    assert stats(vfs, mountpoint)["vfs_prefetched_bytes_total"] >= FILES * SIZE // 2


def test_a_second_mount_and_a_second_host_find_what_they_should(
    vfs: Callable[..., Any], source: Path, mountpoint: Path, isolated: Path
) -> None:
    vfs("mount", "data", mountpoint)
    assert (mountpoint / "large.bin").read_bytes() == (source / "large.bin").read_bytes()
    vfs("umount", mountpoint)
    vfs("mount", "data", mountpoint)
    before = gets(vfs, mountpoint)
    assert (mountpoint / "large.bin").read_bytes() == (source / "large.bin").read_bytes()
    assert gets(vfs, mountpoint) - before <= 1
    vfs("umount", mountpoint)
    other = {"VFS_STATE_DIR": str(isolated / "state2"), "VFS_CACHE_DIR": str(isolated / "cache2")}
    assert vfs("cat", "data:small/0007.bin", env=other).stdout == (source / "small" / "0007.bin").read_bytes()


def test_a_damaged_cache_is_healed_while_a_program_reads(
    vfs: Callable[..., Any], source: Path, mountpoint: Path, isolated: Path
) -> None:
    vfs("prefetch", "data")
    random = Random(5)
    for path in (isolated / "cache" / "content" / "packs").rglob("*.data"):
        content = bytearray(path.read_bytes())
        for _ in range(40):
            content[random.randrange(len(content))] ^= 255
        path.write_bytes(bytes(content))
    vfs("mount", "data", mountpoint)
    assert (mountpoint / "large.bin").read_bytes() == (source / "large.bin").read_bytes()
    vfs("umount", mountpoint)
    assert b"damaged piece" in vfs("cache", "verify").stdout or b"all sound" in vfs("cache", "verify").stdout
    assert json.loads(vfs("cache", "verify", "--json").stdout)["dropped"] == 0


def test_the_limit_is_kept_and_shown(vfs: Callable[..., Any], source: Path) -> None:
    assert vfs("cache", "limit", "24MiB").stdout == b"24.0 MiB\n"
    vfs("prefetch", "data")
    held = json.loads(vfs("cache", "status", "--json").stdout)
    assert held["limit"] == 24 << 20
    assert held["bytes"] <= 26 << 20
    assert vfs("cache", "limit", "junk", ok=False).returncode == 2
    assert b"GiB" in vfs("cache", "limit", "auto").stdout
    assert b"freed" in vfs("cache", "clear").stdout
    assert json.loads(vfs("cache", "status", "--json").stdout)["packs"] == 0


def test_stats_without_mounts_and_of_something_else(vfs: Callable[..., Any], isolated: Path) -> None:
    assert json.loads(vfs("stats", "--json").stdout) == []
    done = vfs("stats", isolated, ok=False)
    assert done.returncode == 1
    assert b"no vfs mount" in done.stderr
