"""A directory of a writable mount: where it is shown, where the layer has it, what shows through from below."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from vfs.repo.directory import Directory

# Descriptors are kept for every 32nd level only, so that a tree a thousand levels deep needs some thirty.
_ANCHOR_EVERY = 32


@dataclass(frozen=True, slots=True)
class Place:
    """One directory. `at` is its path in the mount, `origin` the path in the commit below that shows through, if any.

    It lies in the upper layer at `names` below the open directory `anchor`; `anchor` None: it does not, and
    all that it shows is in the commit below. `inode` is the one it had when it was looked at. `within`: it, or
    a directory above it, shows something else than the commit has at that path.
    """

    at: bytes
    origin: bytes | None
    anchor: Directory | None
    names: tuple[bytes, ...] = ()
    inode: int = 0
    within: bool = False

    @property
    def in_place(self) -> bool:
        """True when what shows through from below is what the commit has at this very path."""
        return self.origin == self.at

    def open(self) -> Directory:
        """The directory in the upper layer; OSError when it is gone, or another one by now."""
        assert self.anchor is not None
        directory = self.anchor.below(self.names)
        if self.inode and directory.identity()[1] != self.inode:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        return directory

    def child(self, name: bytes, directory: Directory, *, origin: bytes | None, inode: int) -> Place:
        """The directory `name` in this one, which is open as `directory`."""
        path = join(self.at, name)
        within = self.within or origin != path
        if len(self.names) + 1 >= _ANCHOR_EVERY:
            return Place(path, origin, directory, (name,), inode, within)
        return Place(path, origin, self.anchor, (*self.names, name), inode, within)

    def child_below(self, name: bytes, origin: bytes) -> Place:
        """The directory `name` in this one, which only the commit below has."""
        return Place(join(self.at, name), origin, None, (), 0, self.within)


def join(parent: bytes, name: bytes) -> bytes:
    """The path of `name` in the directory `parent`."""
    return parent + b"/" + name if parent else name
