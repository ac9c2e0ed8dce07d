"""An open local directory, and the files in it by name: no path is ever looked up twice.

A path can change its meaning between two calls (someone renames a directory, or puts a symlink
there); a descriptor cannot. So everything below a directory is reached from its descriptor, one
name at a time, without following symlinks, which also makes paths over 4,096 bytes no matter.
"""

from __future__ import annotations

import os
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

    def names(self) -> list[bytes]:
        """The names in it, in byte order; OSError."""
        return sorted(map(os.fsencode, os.listdir(self.fd)))

    def identity(self) -> tuple[int, int]:
        """(device, inode)."""
        found = os.fstat(self.fd)
        return found.st_dev, found.st_ino
