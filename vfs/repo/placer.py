"""Entries made into local files, directories and symlinks, below one directory and nowhere else."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress

from vfs.model.entry import Entry
from vfs.repo.directory import Directory
from vfs.repo.notes import Notes

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE, _NEW_DIR = 0o600, 0o700
# What a file system says that knows no hard links, or allows no more of them to one file.
_NO_LINKS = frozenset({errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV})


class Placer:
    """Makes entries in key order, then `finish` gives directories their modes and mtimes.

    Invariant: every name is made inside a directory reached from `top` without following a symlink, and
    made exclusively, so a hostile tree cannot reach what lies outside. One thread.
    """

    def __init__(self, top: Directory, notes: Notes) -> None:
        self._top = top
        self._notes = notes
        self._directories: list[Entry] = []
        self._last: tuple[bytes, Directory] = (b"", top)

    def directory(self, entry: Entry) -> None:
        """Make a directory, writable until `finish`; b"" stands for the top itself. OSError."""
        if entry.path:
            os.mkdir(entry.name, _NEW_DIR, dir_fd=self._reach(entry.parent).fd)
        self._directories.append(entry)

    def symlink(self, entry: Entry) -> None:
        """Make a symlink. OSError."""
        parent = self._reach(entry.parent)
        os.symlink(entry.target, entry.name, dir_fd=parent.fd)
        with suppress(OSError):
            os.utime(entry.name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=parent.fd, follow_symlinks=False)

    def file(self, entry: Entry, pieces: Iterable[bytes | int]) -> None:
        """Make a file from pieces in order: bytes, or the length of a hole. OSError, and what `pieces` raises."""
        fd = os.open(entry.name, _CREATE, _NEW_FILE, dir_fd=self._reach(entry.parent).fd)
        try:
            _fill(fd, pieces)
            self._attributes(fd, entry)
        finally:
            os.close(fd)

    def link(self, path: bytes, to: bytes) -> bool:
        """Make another name for the file made as `to`; False where the file system has no such thing. OSError."""
        there, here = self._reach(to.rpartition(b"/")[0]), self._reach(path.rpartition(b"/")[0])
        name, old = path.rpartition(b"/")[2], to.rpartition(b"/")[2]
        try:
            os.link(old, name, src_dir_fd=there.fd, dst_dir_fd=here.fd, follow_symlinks=False)
        except OSError as error:
            if error.errno in _NO_LINKS:
                self._notes.count("hard link", "made a file of its own, the file system here refuses it")
                return False
            raise
        return True

    def finish(self) -> None:
        """Modes and mtimes of all directories, the deepest first: one without the x bit closes the way."""
        for entry in reversed(self._directories):
            self._attributes(self._reach(entry.path).fd, entry)

    def _attributes(self, fd: int, entry: Entry) -> None:
        for name, value in entry.xattrs:
            try:
                os.setxattr(fd, name, value)
            except OSError:
                self._notes.count("extended attribute", "not kept, the file system here refuses it")
        os.fchmod(fd, entry.mode)
        os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))

    def _reach(self, path: bytes) -> Directory:
        last, directory = self._last
        if last != path:
            if last == path.rpartition(b"/")[0]:
                directory = directory.below([path.rpartition(b"/")[2]])
            else:
                directory = self._top.below(path.split(b"/") if path else [])
            self._last = (path, directory)
        return directory


def _fill(fd: int, pieces: Iterable[bytes | int]) -> None:
    size = 0
    for piece in pieces:
        if isinstance(piece, int):
            size += piece
            os.lseek(fd, piece, os.SEEK_CUR)
            continue
        size += len(piece)
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(fd, rest) :]
    # Only a hole at the end needs it, and it costs a microsecond.
    os.ftruncate(fd, size)
