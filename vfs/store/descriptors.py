"""Descriptors of packs that are kept open between reads: a look-up of the path costs more than a small read."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import OrderedDict

from vfs.store.linger import Linger

# Packs that are read at the same time are few; this is far below any limit on open files.
KEPT = 64
# What someone planted in the store, a symlink or a fifo, is no object, and opening it must not wait.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Opened:
    """A regular file that is open for reading. Closed when nobody holds it any more, so never under a reader."""

    __slots__ = ("fd",)

    def __init__(self, path: str) -> None:
        """OSError when it cannot be opened, or is no regular file."""
        self.fd = -1
        self.fd = os.open(path, _FLAGS)
        if not stat.S_ISREG(os.fstat(self.fd).st_mode):
            raise OSError(0, "it is not a regular file")
        # Who reads packs knows what to read: the kernel would read 128 KiB for 16.
        os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_RANDOM)

    def look(self) -> tuple[int, bool]:
        """Its size in bytes, and whether it still has a name: not once it was removed or replaced."""
        found = os.fstat(self.fd)
        return found.st_size, found.st_nlink > 0

    def read(self, start: int, length: int) -> bytes:
        """`length` bytes from `start`; fewer only at the end of the file."""
        if length <= 0:
            return b""
        data = os.pread(self.fd, length, start)
        if len(data) == length or not data:
            return data
        # Linux returns at most 0x7ffff000 bytes a call.
        return data + self.read(start + len(data), length - len(data))

    def read_now(self, start: int, length: int, linger: Linger) -> memoryview | None:
        """As `read` when all the bytes are in the kernel's memory, or come while we linger; None otherwise."""
        buffer = bytearray(length)
        if self._try(buffer, start):
            return memoryview(buffer)
        seconds = linger.seconds()
        if seconds:
            # The kernel has begun to read them.
            end, came = time.monotonic() + seconds, False
            while not came and time.monotonic() < end and not linger.pressed():
                came = self._try(buffer, start)
            # Given up for others says nothing about the disk.
            if came or not linger.pressed():
                linger.note(came)
            return memoryview(buffer) if came else None
        return None

    def _try(self, buffer: bytearray, start: int) -> bool:
        try:
            return os.preadv(self.fd, (buffer,), start, os.RWF_NOWAIT) == len(buffer)
        except OSError:
            # EAGAIN; or a file system that cannot say whether it would wait.
            return False

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)


class Descriptors:
    """The files used last, at most `KEPT` of them, by path. Thread-safe: `_lock` guards the table.

    Invariant: a file that was removed or replaced is not given out any more, as if each had just been opened.
    """

    def __init__(self, *, kept: int = KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._files: OrderedDict[str, Opened] = OrderedDict()

    def take(self, path: str) -> tuple[Opened, int]:
        """The file at `path` and its size in bytes; OSError as for opening it."""
        found = self.held(path)
        if found is not None:
            return found
        file = Opened(path)
        with self._lock:
            self._files[path] = file
            self._files.move_to_end(path)
            # Dropped outside the lock, where it is closed.
            oldest = self._files.popitem(last=False) if len(self._files) > self._kept else None
        del oldest
        return file, file.look()[0]

    def held(self, path: str) -> tuple[Opened, int] | None:
        """The file and its size if it is open already; waits for no disk."""
        with self._lock:
            file = self._files.get(path)
            if file is not None:
                self._files.move_to_end(path)
        if file is None:
            return None
        size, named = file.look()
        if named:
            return file, size
        with self._lock:
            if self._files.get(path) is file:
                del self._files[path]
        return None

    def clear(self) -> None:
        """Close all that nobody is reading from."""
        with self._lock:
            files, self._files = self._files, OrderedDict()
        files.clear()
