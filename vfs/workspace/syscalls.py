"""The system calls that Python 3.11 has no function for: mounts, namespaces, process control, syncfs.

Every wrapper checks the result and raises OSError with the number the kernel gave; callers say what it
means. Only the numbers used here are named, with the values of <linux/mount.h>, <sched.h> and <linux/prctl.h>.
"""

from __future__ import annotations

import ctypes
import os

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_UNBINDABLE = 1 << 17
MS_SLAVE = 1 << 19

MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

# pivot_root(2) has no wrapper in the C library; its number is 155 on x86-64 and 41 on every later architecture.
_PIVOT_ROOT = {"x86_64": 155, "i686": 217, "armv7l": 218, "ppc64le": 203, "s390x": 217}.get(os.uname().machine, 41)

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, path: str | bytes | None = None) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def mount(source: str, target: str, kind: str | None = None, *, flags: int = 0, data: str | None = None) -> None:
    """mount(2). `data` are the options of the file system type, at most one page (4,095 bytes)."""
    _check(
        _libc.mount(
            os.fsencode(source),
            os.fsencode(target),
            None if kind is None else kind.encode(),
            ctypes.c_ulong(flags),
            None if data is None else os.fsencode(data),
        ),
        target,
    )


def umount(target: str, *, flags: int = UMOUNT_NOFOLLOW) -> None:
    """umount2(2)."""
    _check(_libc.umount2(os.fsencode(target), flags), target)


def unshare(flags: int) -> None:
    """unshare(2): new namespaces for this process, which for CLONE_NEWUSER must have one thread only."""
    _check(_libc.unshare(flags))


def pivot_root(new: str, old: str) -> None:
    """pivot_root(2): the mount at `new` becomes the root of this mount namespace, the old one lands on `old`."""
    _check(_libc.syscall(ctypes.c_long(_PIVOT_ROOT), os.fsencode(new), os.fsencode(old)), new)


def prctl(option: int, argument: int) -> None:
    """prctl(2) with one argument."""
    _check(_libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0))


def syncfs(fd: int) -> None:
    """syncfs(2): write back all that the file system of `fd` holds in memory."""
    _check(_libc.syncfs(fd))
