"""fanotify(7) as the kernel has it: a queue of what happens to files, with a descriptor of each. System calls only.

It needs CAP_SYS_ADMIN in the initial user namespace. Reports by file handle would hold no descriptors, but a FUSE
mount has no file system id (ENODEV).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import struct
import sys

# <linux/fanotify.h>
ADD, REMOVE = 0x1, 0x2
MOUNT, FILESYSTEM = 0x10, 0x100
CLOSE_WRITE = 0x8
OPEN = 0x20
OPEN_PERM = 0x10000
ONDIR = 0x40000000
VERSION = 3
# Length, version, reserved, length of this, mask, descriptor, process.
EVENT = struct.Struct("IBBHQii")
_CLOEXEC, _NONBLOCK, _CONTENT, _UNLIMITED_QUEUE = 0x1, 0x2, 0x4, 0x10
_ALLOW = 1
_AT_FDCWD = -100
_FIONREAD = 0x541B
_ANSWER = struct.Struct("iI")

_libc = ctypes.CDLL(None, use_errno=True)


class Queue:
    """One queue. Not thread-safe.

    It has no limit: with one of 16,384 events, a second of warm reads would run over it, and a gap in the journal
    cannot be mended. Equal events that wait are merged, so it grows with distinct (process, file) pairs.
    """

    def __init__(self, *, bounded: bool = False, blocking: bool = True) -> None:
        """`bounded`: the system's limit on the queue. `blocking`: descriptors are made as for a file, not for a fifo,
        whose other end would be waited for. OSError where it is not allowed.
        """
        flags = _CLOEXEC | _NONBLOCK | _CONTENT | (0 if bounded else _UNLIMITED_QUEUE)
        made = os.O_RDONLY | os.O_CLOEXEC | os.O_LARGEFILE | (0 if blocking else os.O_NONBLOCK)
        self._fd = _checked(_libc.fanotify_init(flags, made))

    def mark(self, change: int, events: int, path: bytes) -> None:
        """Have events reported of `path`, or no more; `change` is `ADD` or `REMOVE`, with the kind of place."""
        _checked(_libc.fanotify_mark(self._fd, change, ctypes.c_uint64(events), _AT_FDCWD, path))

    def allow(self, fd: int) -> None:
        """Let the open go on that was reported with this descriptor, and is held."""
        # A process that was killed meanwhile does not wait any more.
        with contextlib.suppress(OSError):
            os.write(self._fd, _ANSWER.pack(fd, _ALLOW))

    def fileno(self) -> int:
        """The descriptor to poll, and to read events from."""
        return self._fd

    def waiting(self) -> int:
        """How many events are in the queue."""
        return int.from_bytes(fcntl.ioctl(self._fd, _FIONREAD, bytes(4)), sys.byteorder) // EVENT.size

    def close(self) -> None:
        """Forget what is in the queue; whoever is held goes on."""
        os.close(self._fd)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
