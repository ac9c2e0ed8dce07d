"""System calls that Python has no function for: renameat2, and O_TMPFILE's linkat."""

from __future__ import annotations

import ctypes
import os

NO_REPLACE, EXCHANGE = 1, 2

_AT_FDCWD, _AT_SYMLINK_FOLLOW = -100, 0x400
_libc = ctypes.CDLL(None, use_errno=True)


def rename2(old: str, new: str, flags: int) -> None:
    """Rename with flags; OSError as the kernel says."""
    _checked(_libc.renameat2(_AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new), ctypes.c_uint(flags)))


def link_open_file(fd: int, new: str) -> None:
    """Give a file that was opened with O_TMPFILE its first name."""
    _checked(_libc.linkat(_AT_FDCWD, b"/proc/self/fd/%d" % fd, _AT_FDCWD, os.fsencode(new), _AT_SYMLINK_FOLLOW))


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
