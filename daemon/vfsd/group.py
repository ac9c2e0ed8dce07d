"""A fanotify group that reports opens and closes in whole mounts, with a descriptor of each file. System calls only.

It needs CAP_SYS_ADMIN in the initial user namespace. The mounts may be those of another mount namespace.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import struct
import sys
from collections.abc import Sequence
from typing import NamedTuple

# <linux/fanotify.h>
_CLOEXEC = 0x1
_NONBLOCK = 0x2
_CONTENT = 0x4
_UNLIMITED_QUEUE = 0x10
_MARK_ADD = 0x1
_MARK_REMOVE = 0x2
_MARK_MOUNT = 0x10
_MARK_FILESYSTEM = 0x100
_CLOSE_WRITE = 0x8
_OPEN = 0x20
_OPEN_PERM = 0x10000
_ALLOW = 1
_AT_FDCWD = -100
_FIONREAD = 0x541B
_EVENT = struct.Struct("IBBHQii")
_ANSWER = struct.Struct("iI")
# Each report holds a descriptor until it is dealt with.
_BATCH = 64
# Without it, to report on a fifo would be to wait for its other end.
_EVENT_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_LARGEFILE

_libc = ctypes.CDLL(None, use_errno=True)


class Report(NamedTuple):
    """What a process (thread group) did with a file: `opened` it, `closed` it after it was open for writing, or both.

    `fd` is a descriptor of the file, negative where reports were lost. A process that opened a file waits while it
    is `held`.
    """

    pid: int
    fd: int
    opened: bool
    closed: bool
    held: bool


class Group:
    """One queue of what happens in some mounts. Not thread-safe.

    At first opens are held: who reads the queue says `go` for each, and `drop` for each report. The queue has no
    limit; equal reports that wait are merged, so it grows with distinct (process, file) pairs. `places` are
    descriptors within the mounts, closed with the group; none for a single file system, whatever its mounts, which
    stays free to be unmounted.
    """

    def __init__(self, places: Sequence[int] = (), *, closes: bool, path: str = "") -> None:
        """Opens, and with `closes` closes after writing. `path`: in the file system that is mounted there.

        OSError where it is not allowed; `places` are closed then as well.
        """
        self.holds = True
        self._places = tuple(places)
        self._closes = _CLOSE_WRITE if closes else 0
        self._kind = _MARK_FILESYSTEM if path else _MARK_MOUNT
        self._fd = self._lent = -1
        try:
            self._fd = _checked(_libc.fanotify_init(_CLOEXEC | _NONBLOCK | _CONTENT | _UNLIMITED_QUEUE, _EVENT_FLAGS))
            self._mark(_MARK_ADD, _OPEN_PERM | self._closes, path)
        except BaseException:
            self.close()
            raise

    def let_go(self, report: Report) -> None:
        """Have opens go on at once, and told afterwards, from one after this report; OSError. One may be told twice."""
        if not self._places:
            self._lent = os.dup(report.fd)
        self._mark(_MARK_ADD, _OPEN)
        self._mark(_MARK_REMOVE, _OPEN_PERM)
        self.holds = False

    def hold(self) -> None:
        """Have opens held again; OSError."""
        self._mark(_MARK_ADD, _OPEN_PERM)
        self._mark(_MARK_REMOVE, _OPEN)
        self.holds = True
        if self._lent >= 0:
            os.close(self._lent)
            self._lent = -1

    def _mark(self, change: int, events: int, path: str = "") -> None:
        for where in [path] if path else [f"/proc/self/fd/{fd}" for fd in self._places or (self._lent,)]:
            flags, name = change | self._kind, os.fsencode(where)
            _checked(_libc.fanotify_mark(self._fd, flags, ctypes.c_uint64(events), _AT_FDCWD, name))

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._fd

    def waiting(self) -> int:
        """How many reports are in the queue."""
        return int.from_bytes(fcntl.ioctl(self._fd, _FIONREAD, bytes(4)), sys.byteorder) // _EVENT.size

    def read(self) -> list[Report]:
        """Up to 64 reports, none when the queue is empty; OSError when one was lost to a failure."""
        try:
            data = os.read(self._fd, _EVENT.size * _BATCH)
        except BlockingIOError:
            return []
        return [_report(*event) for event in _EVENT.iter_unpack(data)]

    def go(self, report: Report) -> None:
        """Let a held open go on."""
        # A process that was killed meanwhile does not wait any more.
        with contextlib.suppress(OSError):
            os.write(self._fd, _ANSWER.pack(report.fd, _ALLOW))

    def drop(self, report: Report) -> None:
        """Be done with a report."""
        if report.fd >= 0:
            os.close(report.fd)

    def close(self) -> None:
        """Forget what is in the queue; whoever is held goes on."""
        for fd in (self._fd, self._lent, *self._places):
            if fd >= 0:
                os.close(fd)


def place_of(pid: int, path: str) -> int:
    """A descriptor of `path` as the process `pid` sees it; OSError."""
    return os.open(f"/proc/{pid}/root{path}", os.O_PATH | os.O_CLOEXEC)


def _report(_length: int, _version: int, _reserved: int, _size: int, mask: int, fd: int, pid: int) -> Report:
    return Report(pid, fd, bool(mask & (_OPEN | _OPEN_PERM)), bool(mask & _CLOSE_WRITE), bool(mask & _OPEN_PERM))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
