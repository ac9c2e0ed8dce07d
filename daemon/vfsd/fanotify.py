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
import stat
import struct
import sys
from collections.abc import Sequence
from typing import NamedTuple

from vfsd.shim import BATCH, SHIM, Shim

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
_ONDIR = 0x40000000
_ALLOW = 1
_VERSION = 3
_AT_FDCWD = -100
_FIONREAD = 0x541B
_EVENT = struct.Struct("IBBHQii")
_ANSWER = struct.Struct("iI")
# In the place of a descriptor: reports were lost.
LOST = -2

_libc = ctypes.CDLL(None, use_errno=True)


class Told(NamedTuple):
    """An open: by which process (thread group), of which inode, 0 for what is neither a file nor a directory.

    `fd` is -1, but the descriptor by which an open that is held is let go, or `LOST` where reports were.
    """

    pid: int
    inode: int
    fd: int
    directory: bool

    @property
    def held(self) -> bool:
        """Whether the process waits."""
        return self.fd >= 0


class Fanotify:
    """One queue of the opens in one file system, under whatever mounts of it. Not thread-safe.

    Who reads it says `go` for each open that is held. At first opens are held: their process waits. The queue has
    no limit: with one of 16,384 events, a second of warm reads would run over it, and a gap in the journal cannot
    be mended. Equal events that wait are merged, so it grows with distinct (process, file) pairs.
    """

    def __init__(self, path: str, *, bounded: bool = False, shim: Shim = SHIM) -> None:
        """`path` is on the file system; `bounded`: the system's limit on the queue. OSError where it is not allowed."""
        self._take = shim.opens or take
        flags = _CLOEXEC | _NONBLOCK | _CONTENT | (0 if bounded else _UNLIMITED_QUEUE)
        self._path = os.fsencode(path)
        self._fd = _checked(_libc.fanotify_init(flags, os.O_RDONLY | os.O_CLOEXEC | os.O_LARGEFILE))
        self.holds = True
        try:
            self._mark(_MARK_ADD, _OPEN_PERM | _ONDIR)
        except BaseException:
            os.close(self._fd)
            raise

    def hold(self, wanted: bool) -> None:
        """Have opens held from now on, or let them go and be told afterwards; OSError. One may be told twice."""
        old, new = (_OPEN, _OPEN_PERM) if wanted else (_OPEN_PERM, _OPEN)
        self._mark(_MARK_ADD, new | _ONDIR)
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
        os.close(told.fd)

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._fd

    def waiting(self) -> int:
        """How many events are in the queue."""
        return int.from_bytes(fcntl.ioctl(self._fd, _FIONREAD, bytes(4)), sys.byteorder) // _EVENT.size

    def read(self) -> Sequence[Told]:
        """Up to 64 events, none when the queue is empty; OSError when one was lost to a failure."""
        try:
            found = self._take(self._fd)
        except BlockingIOError:
            return ()
        if any(version != _VERSION for _, _, _, version, _, _ in found):
            raise OSError(errno.EPROTO, "events of another version")
        return [Told(pid, inode, fd, bool(directory)) for inode, pid, fd, _, _, directory in found]

    def close(self) -> None:
        """Forget what is in the queue; whoever is held goes on."""
        os.close(self._fd)


def take(queue: int) -> list[tuple[int, int, int, int, int, int]]:
    """What `Shim.opens` does, in Python: three system calls an event, for each of which others get their turn."""
    events = list(_EVENT.iter_unpack(os.read(queue, _EVENT.size * BATCH)))
    return [_told(pid, fd, version, bool(mask & _OPEN_PERM)) for _, version, _, _, mask, fd, pid in events]


def _told(pid: int, fd: int, version: int, held: bool) -> tuple[int, int, int, int, int, int]:
    if fd < 0:
        return 0, pid, LOST, version, held, False
    found = os.fstat(fd)
    if not held:
        os.close(fd)
    directory = stat.S_ISDIR(found.st_mode)
    inode = found.st_ino if directory or stat.S_ISREG(found.st_mode) else 0
    return inode, pid, fd if held else -1, version, held, directory


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
