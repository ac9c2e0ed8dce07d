"""fanotify(7): the kernel's own word on which process opened which file, in descriptor form. System calls only.

It needs CAP_SYS_ADMIN in the initial user namespace. Reports by file handle would hold no descriptors, but a FUSE
mount has no file system id (ENODEV).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import struct
import sys
from collections.abc import Sequence
from typing import NamedTuple

# <linux/fanotify.h>
_CLOEXEC = 0x1
_NONBLOCK = 0x2
_UNLIMITED_QUEUE = 0x10
_MARK_ADD = 0x1
_MARK_FILESYSTEM = 0x100
_MARK_REMOVE = 0x2
_CONTENT = 0x4
_OPEN = 0x20
_OPEN_PERM = 0x10000
_ALLOW = 1
_VERSION = 3
_AT_FDCWD = -100
_FIONREAD = 0x541B
_EVENT = struct.Struct("IBBHQii")
_ANSWER = struct.Struct("iI")
# Each event is a descriptor until it is handled; 1,024 may be open in all.
BATCH = 64

_libc = ctypes.CDLL(None, use_errno=True)


class Told(NamedTuple):
    """An open: the process (thread group), a descriptor of the file (-1 when the queue ran over), whether it waits."""

    pid: int
    fd: int
    held: bool


class Fanotify:
    """One queue of the opens in one file system, under whatever mounts of it. Not thread-safe.

    Who reads it closes every descriptor it is given, and says `go` for each open that is held. At first opens are
    held: their process waits. The queue has no limit: with one of 16,384 events, a second of warm reads
    would run over it, and a gap in the journal cannot be mended. Equal events that wait are merged, so it grows
    with distinct (process, file) pairs.
    """

    def __init__(self, path: str, *, bounded: bool = False) -> None:
        """`path` is on the file system; `bounded`: the system's limit on the queue. OSError where it is not allowed."""
        flags = _CLOEXEC | _NONBLOCK | _CONTENT | (0 if bounded else _UNLIMITED_QUEUE)
        self._path = os.fsencode(path)
        self._fd = _checked(_libc.fanotify_init(flags, os.O_RDONLY | os.O_CLOEXEC | os.O_LARGEFILE))
        self.holds = True
        try:
            self._mark(_MARK_ADD, _OPEN_PERM)
        except BaseException:
            os.close(self._fd)
            raise

    def hold(self, wanted: bool) -> None:
        """Have opens held from now on, or let them go and be told afterwards; OSError. One may be told twice."""
        old, new = (_OPEN, _OPEN_PERM) if wanted else (_OPEN_PERM, _OPEN)
        self._mark(_MARK_ADD, new)
        self._mark(_MARK_REMOVE, old)
        self.holds = wanted

    def _mark(self, change: int, event: int) -> None:
        _checked(
            _libc.fanotify_mark(self._fd, change | _MARK_FILESYSTEM, ctypes.c_uint64(event), _AT_FDCWD, self._path)
        )

    def go(self, told: Told) -> None:
        """Let a held open go on."""
        # A process that was killed meanwhile does not wait any more.
        with contextlib.suppress(OSError):
            os.write(self._fd, _ANSWER.pack(told.fd, _ALLOW))

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._fd

    def waiting(self) -> int:
        """How many events are in the queue."""
        return int.from_bytes(fcntl.ioctl(self._fd, _FIONREAD, bytes(4)), sys.byteorder) // _EVENT.size

    def read(self) -> Sequence[Told]:
        """Up to 64 events, none when the queue is empty; OSError when one was lost to a failure."""
        try:
            data = os.read(self._fd, _EVENT.size * BATCH)
        except BlockingIOError:
            return ()
        events = list(_EVENT.iter_unpack(data))
        if any(event[1] != _VERSION for event in events):
            raise OSError(errno.EPROTO, "events of another version")
        return [Told(event[6], event[5], bool(event[4] & _OPEN_PERM)) for event in events]

    def close(self) -> None:
        """Forget what is in the queue; whoever is held goes on."""
        os.close(self._fd)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
