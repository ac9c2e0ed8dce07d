"""fanotify(7): the kernel's own word on which process opened which file, in descriptor form. System calls only.

It needs CAP_SYS_ADMIN in the initial user namespace. Reports by file handle would hold no descriptors, but a FUSE
mount has no file system id (ENODEV).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
import sys
from collections.abc import Sequence

# <linux/fanotify.h>
_CLOEXEC = 0x1
_NONBLOCK = 0x2
_UNLIMITED_QUEUE = 0x10
_MARK_ADD = 0x1
_MARK_FILESYSTEM = 0x100
_OPEN = 0x20
_VERSION = 3
_AT_FDCWD = -100
_FIONREAD = 0x541B
_EVENT = struct.Struct("IBBHQii")
# Each event is a descriptor until it is handled; 1,024 may be open in all.
BATCH = 128

_libc = ctypes.CDLL(None, use_errno=True)

# The process (thread group) that opened, and a descriptor of what it opened; -1 when the queue ran over.
Told = tuple[int, int]


class Fanotify:
    """One queue of opens. Not thread-safe; who reads it closes every descriptor it is given.

    The queue has no limit: with one of 16,384 events, a second of warm reads would run over it, and a gap in the
    journal cannot be mended. Equal events that wait are merged, so it grows with distinct (process, file) pairs.
    """

    def __init__(self, *, bounded: bool = False) -> None:
        """`bounded`: the system's limit on the queue. OSError where the kernel does not allow this."""
        flags = _CLOEXEC | _NONBLOCK | (0 if bounded else _UNLIMITED_QUEUE)
        self._fd = _checked(_libc.fanotify_init(flags, os.O_RDONLY | os.O_CLOEXEC | os.O_LARGEFILE))

    def watch(self, path: str) -> None:
        """Report the opens in the whole file system that `path` lies on, under whatever mount of it; OSError."""
        mask, place = ctypes.c_uint64(_OPEN), os.fsencode(path)
        _checked(_libc.fanotify_mark(self._fd, _MARK_ADD | _MARK_FILESYSTEM, mask, _AT_FDCWD, place))

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._fd

    def waiting(self) -> int:
        """How many events are in the queue."""
        return int.from_bytes(fcntl.ioctl(self._fd, _FIONREAD, bytes(4)), sys.byteorder) // _EVENT.size

    def read(self) -> Sequence[Told]:
        """Up to 128 events, none when the queue is empty; OSError when one was lost to a failure."""
        try:
            data = os.read(self._fd, _EVENT.size * BATCH)
        except BlockingIOError:
            return ()
        events = list(_EVENT.iter_unpack(data))
        if any(event[1] != _VERSION for event in events):
            raise OSError(errno.EPROTO, "events of another version")
        return [(event[6], event[5]) for event in events]

    def close(self) -> None:
        """Forget what is in the queue."""
        os.close(self._fd)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
