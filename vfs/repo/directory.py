"""An open local directory, and the files in it by name: no path is ever looked up twice.

A path can change its meaning between two calls (someone renames a directory, or puts a symlink
there); a descriptor cannot. So everything below a directory is reached from its descriptor, one
name at a time, without following symlinks, which also makes paths over 4,096 bytes no matter.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_FOLLOW = _OPEN | os.O_NOFOLLOW


class Directory:
    """A directory's descriptor. It is closed with the last reference to the object, never before.

    Readers in threads may hold one after the walk has moved on, so its life is that of its users.
    """

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        """Takes over the descriptor `fd`."""
        self.fd = fd

    def __del__(self) -> None:
        with suppress(OSError):
            os.close(self.fd)

    @classmethod
    def at_path(cls, path: bytes) -> Directory:
        """The directory a user named, symlinks followed; OSError."""
        return cls(os.open(path or b".", _OPEN))

    def below(self, names: Iterable[bytes]) -> Directory:
        """The directory reached through `names`, none of them a symlink; OSError."""
        here = self
        for name in names:
            here = Directory(os.open(name, _NO_FOLLOW, dir_fd=here.fd))
        return here

    def status(self, name: bytes) -> os.stat_result:
        """What `name` is, not following it; OSError."""
        return os.stat(name, dir_fd=self.fd, follow_symlinks=False)

    def kind(self, name: bytes) -> int:
        """What `name` is, not following it: `S_IFREG` and the like; OSError."""
        return stat.S_IFMT(self.status(name).st_mode)

    def names(self) -> list[tuple[bytes, int]]:
        """The names in it, in byte order, each with its kind, 0 where the listing does not tell; OSError."""
        with os.scandir(self.fd) as listing:
            return sorted((os.fsencode(entry.name), _kind(entry)) for entry in listing)

    def identity(self) -> tuple[int, int]:
        """(device, inode)."""
        found = os.fstat(self.fd)
        return found.st_dev, found.st_ino


def _kind(entry: os.DirEntry[str]) -> int:
    """From the listing itself where the file system gives types, so that a file costs no look-up of its own."""
    if entry.is_file(follow_symlinks=False):
        return stat.S_IFREG
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    return stat.S_IFLNK if entry.is_symlink() else 0
