"""The kernel's table of mounts, as this process sees it."""

from __future__ import annotations

import os
import re

import msgspec

from vfs.files.translate import local_error

TABLE = "/proc/self/mountinfo"
VFS_TYPE = "fuse.vfs"
OVERLAY_TYPES = frozenset({"overlay", "fuse.fuse-overlayfs"})
_OCTAL = re.compile(rb"\\([0-7]{3})")


class MountedAt(msgspec.Struct, frozen=True):
    """One line of the table. `device` is `major:minor`, `source` what was mounted, `options` the file system's own."""

    point: str
    type: str
    source: str
    device: str
    options: str


def _plain(field: bytes) -> str:
    return os.fsdecode(_OCTAL.sub(lambda match: bytes([int(match[1], 8)]), field))


def _parse(line: bytes) -> MountedAt | None:
    before, separator, after = line.partition(b" - ")
    left, right = before.split(b" "), after.split(b" ")
    if not separator or len(left) < 6 or len(right) < 3:
        return None
    return MountedAt(_plain(left[4]), _plain(right[0]), _plain(right[1]), _plain(left[2]), _plain(right[2]))


def mounts(table: str = TABLE) -> list[MountedAt]:
    """All mounts, oldest first; `table` is that of another process."""
    try:
        with open(table, "rb") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise local_error(table, "read", error) from error
    return [mount for mount in map(_parse, lines) if mount is not None]


def mount_at(point: str) -> MountedAt | None:
    """The topmost mount whose root is `point`, or None."""
    found = [mount for mount in mounts() if mount.point == point]
    return found[-1] if found else None


def covering(path: str) -> MountedAt | None:
    """The mount that `path` lies in (or is the root of): the one with the longest matching mount point."""
    found = [mount for mount in mounts() if is_below(path, mount.point)]
    return max(found, key=lambda mount: len(mount.point), default=None)


def is_below(path: str, directory: str) -> bool:
    """True when `path` is `directory` or lies in it, by name."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")
