"""Reading a local file so that what was read is one state of it.

A file is taken as read when its size, mtime and ctime are the same after reading as before. The
kernel may stamp two writes within one timer tick alike, so a file changed in the last tick is left
to age that long before it is read. Writes through a shared mapping are stamped late and may go unseen.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import msgspec

from vfs.files.translate import cause_of
from vfs.repo.directory import Directory

T = TypeVar("T")
Xattrs = tuple[tuple[bytes, bytes], ...]

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# The slowest timer a kernel is built with ticks every 10 ms.
TICK_NS = 10_000_000
ATTEMPTS = 2
_USER = b"user."
# Written by overlayfs for itself; they mean nothing outside its upper layer.
_OVERLAY = b"user.overlay."


class Unreadable(Exception):
    """A file that could not be read as one state; `str` is the cause. Never leaves this package's readers."""


class Changed(Exception):
    """Raised by a reader that sees the file change; `read_stable` begins again."""


class Content(msgspec.Struct, frozen=True):
    """One state of a file: its status, its user xattrs, and what the reader made of its bytes."""

    status: os.stat_result
    xattrs: Xattrs


def read_stable(parent: Directory, name: bytes, read: Callable[[int, os.stat_result], T]) -> tuple[Content, T]:
    """`read(descriptor, status)` of a regular file, repeated once when the file changed meanwhile; Unreadable."""
    for _ in range(ATTEMPTS):
        try:
            fd = os.open(name, _OPEN, dir_fd=parent.fd)
            try:
                before = _aged(fd)
                result = read(fd, before)
                content = Content(before, user_xattrs(fd))
                if _same(before, os.fstat(fd)):
                    return content, result
            finally:
                os.close(fd)
        except Changed:
            continue
        except OSError as error:
            raise Unreadable(cause_of_loss(error)) from error
    raise Unreadable("it changed each time it was read")


def user_xattrs(fd: int) -> Xattrs:
    """The user xattrs of an open file or directory, by name; none where the file system has none."""
    try:
        names = sorted(map(os.fsencode, os.listxattr(fd)))
    except OSError:
        return ()
    pairs: list[tuple[bytes, bytes]] = []
    for name in names:
        if name.startswith(_USER) and not name.startswith(_OVERLAY):
            # It may be removed between the two calls.
            with suppress(OSError):
                pairs.append((name, os.getxattr(fd, name)))
    return tuple(pairs)


def _aged(fd: int) -> os.stat_result:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("it was replaced by something else while it was read")
    age = time.time_ns() - status.st_ctime_ns
    if 0 <= age < TICK_NS:
        time.sleep((TICK_NS - age) / 1e9)
        status = os.fstat(fd)
    return status


def _same(a: os.stat_result, b: os.stat_result) -> bool:
    return (a.st_size, a.st_mtime_ns, a.st_ctime_ns) == (b.st_size, b.st_mtime_ns, b.st_ctime_ns)


def cause_of_loss(error: OSError) -> str:
    """Why a name that was listed could not be read."""
    if error.errno == errno.ENOENT:
        return "it vanished before it was read"
    if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENOTDIR):
        return "it was replaced by something else while it was read"
    return f"cannot be read: {cause_of(error)}"
