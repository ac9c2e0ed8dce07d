"""Room for the cache: which mirrors there are, and which go first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from vfs.content.cache.mirror import DATA, MAP


class Kept(msgspec.Struct, frozen=True):
    """One mirror on disk: its path without ending, bytes on disk, time of last use in ns."""

    base: str
    size: int
    used_ns: int


def mirrors(root: Path) -> Iterator[Kept]:
    """All mirrors below `root`, of every store. A file that vanishes meanwhile is passed over."""
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith(MAP):
                base = os.path.join(folder, name.removesuffix(MAP))
                try:
                    index, data = os.stat(base + MAP), os.stat(base + DATA)
                except FileNotFoundError:
                    continue
                yield Kept(base, (index.st_blocks + data.st_blocks) * 512, index.st_mtime_ns)


def evict(root: Path, *, limit: int, floor: int) -> tuple[int, int]:
    """Remove the mirrors used longest ago until the cache fits: (bytes kept, bytes removed).

    It fits when it takes at most `limit` bytes and the disk has at least `floor` bytes free.
    """
    kept = sorted(mirrors(root), key=lambda mirror: mirror.used_ns)
    total = sum(mirror.size for mirror in kept)
    removed = 0
    for mirror in kept:
        if total <= limit and free_bytes(root) >= floor:
            break
        remove(mirror)
        total -= mirror.size
        removed += mirror.size
    return total, removed


def remove(mirror: Kept) -> None:
    """Remove one mirror. The map goes first: data without a map is not looked at."""
    for ending in (MAP, DATA):
        try:
            os.unlink(mirror.base + ending)
        except FileNotFoundError:
            continue


def existing(path: Path) -> Path:
    """`path`, or where there is nothing, the nearest directory above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def free_bytes(root: Path) -> int:
    """Bytes that an ordinary user can still write on the disk of `root`."""
    found = os.statvfs(root)
    return found.f_bavail * found.f_frsize
