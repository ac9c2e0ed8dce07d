"""Directories that are looked up name by name are listed for the kernel, which then looks names up by itself.

The kernel learns many names at once only from a listing. So a thread lists the directory through the mount
itself, from where the look-ups began; what it lists is of no further use here.
"""

from __future__ import annotations

import ctypes
import os
import queue
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable

import msgspec

# Look-ups in one directory before it is listed, how many names are listed for each of them, and at once.
FIRST = 3
SHARE = 64
NAMES_MAX = 4096
# Directories remembered.
DIRECTORIES = 256
_BUFFER = 256 << 10
# A record of getdents64: u64 inode, i64 cookie after it, u16 length of the record, u8 type, the name.
_RECORD = struct.Struct("=QqHB")
_LIBC = ctypes.CDLL(None, use_errno=True)


class Part(msgspec.Struct, frozen=True):
    """A part of a directory: `names` of them from `cookie` on, fewer at its end."""

    path: bytes
    cookie: int
    names: int


class Outcome(msgspec.Struct, frozen=True):
    """What came of listing a part: how many names, where it goes on, whether that was the end."""

    names: int
    cookie: int
    end: bool


# Lists a part; OSError when it cannot.
Lister = Callable[[Part], Outcome]


class _Directory:
    """How far one directory was listed: from `start` to `cookie`, and round from its beginning to `start`.

    `wanted`: up to which cookie the names are known to be needed.
    """

    __slots__ = ("asked", "cookie", "done", "listed", "looked_up", "start", "turned", "wanted")

    def __init__(self, cookie: int) -> None:
        self.start = self.cookie = cookie
        self.looked_up = self.listed = self.wanted = 0
        self.asked = self.turned = self.done = False

    def next(self) -> tuple[int, int] | None:
        """(cookie, names) to list now, if anything."""
        needed = 0 if self.turned else self.wanted - self.cookie
        allowed = max(SHARE * self.looked_up - self.listed, needed)
        if self.asked or self.done or self.looked_up < FIRST or allowed < min(SHARE, max(needed, 1)):
            return None
        self.asked = True
        return self.cookie, min(allowed, NAMES_MAX)

    def take(self, outcome: Outcome) -> None:
        """Take a listing into account."""
        self.asked = False
        self.listed += outcome.names
        self.cookie = outcome.cookie
        if outcome.end and not self.turned:
            self.turned, self.cookie = True, 0
            self.done = self.start == 0
        elif self.turned:
            self.done = outcome.end or self.cookie >= self.start


class NamesAhead:
    """The look-ups of one mount. `looked_up` belongs to the event loop and never waits.

    Costs at most `SHARE` listed names for each look-up. A directory that was listed whole and is looked up again was
    forgotten by the kernel, and begins anew. `_lock` guards `_directories`.
    """

    def __init__(self, lister: Lister) -> None:
        self._lister = lister
        self._directories: OrderedDict[int, _Directory] = OrderedDict()
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[_Directory, Part] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="names", daemon=True)
        self._thread.start()

    def looked_up(self, directory: int, path: bytes, cookie: int) -> None:
        """A name of the directory with this inode was looked up; `path` is the directory's in the mount.

        `cookie` is where a listing would have to begin to hold that name.
        """
        with self._lock:
            known = self._directories.get(directory)
            if known is None or known.done:
                known = self._remember(directory, _Directory(cookie))
            self._directories.move_to_end(directory)
            known.looked_up += 1
            self._list_next(known, path)

    def looks_up(self, directory: int) -> bool:
        """Whether names of a directory are being looked up one by one."""
        with self._lock:
            return directory in self._directories

    def needed(self, directory: int, path: bytes, cookie: int) -> None:
        """The names of a directory up to `cookie` will be looked up: they are listed."""
        with self._lock:
            known = self._directories.get(directory)
            if known is None:
                known = self._remember(directory, _Directory(0))
                known.looked_up = FIRST
            known.wanted = max(known.wanted, cookie)
            self._list_next(known, path)

    def close(self) -> None:
        """List nothing more."""
        self._queue.put(None)

    def _remember(self, inode: int, directory: _Directory) -> _Directory:
        self._directories[inode] = directory
        if len(self._directories) > DIRECTORIES:
            self._directories.popitem(last=False)
        return directory

    def _list_next(self, directory: _Directory, path: bytes) -> None:
        wanted = directory.next()
        if wanted is not None:
            self._queue.put((directory, Part(path, *wanted)))

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            directory, part = job
            try:
                outcome = self._lister(part)
            except OSError:
                # Whoever looks names up meets the same trouble, and is told.
                outcome = Outcome(0, part.cookie, end=True)
            with self._lock:
                directory.take(outcome)
                if directory.wanted > directory.cookie:
                    self._list_next(directory, part.path)


class MountLister:
    """Lists directories below `mountpoint`. Not thread-safe."""

    def __init__(self, mountpoint: str) -> None:
        self._mountpoint = os.fsencode(mountpoint)
        self._buffer = ctypes.create_string_buffer(_BUFFER)

    def __call__(self, part: Part) -> Outcome:
        """List a part, so that the kernel knows its names; OSError."""
        fd = os.open(os.path.join(self._mountpoint, part.path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.lseek(fd, part.cookie, os.SEEK_SET)
            return self._list(fd, part)
        finally:
            os.close(fd)

    def _list(self, fd: int, part: Part) -> Outcome:
        names, cookie = 0, part.cookie
        while names < part.names:
            size = _LIBC.getdents64(fd, self._buffer, _BUFFER)
            if size < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            if size == 0:
                return Outcome(names, cookie, end=True)
            at = 0
            while at < size:
                _, cookie, length, _ = _RECORD.unpack_from(self._buffer, at)
                at += length
                names += 1
        return Outcome(names, cookie, end=False)
