"""Whether the kernel reports to us what the processes of a run do with files outside of its inputs."""

from __future__ import annotations

import ctypes
import os

from vfs.errors import Refused

# <linux/fanotify.h>: FAN_CLOEXEC | FAN_CLASS_CONTENT, which needs CAP_SYS_ADMIN in the initial user namespace.
_FLAGS = 0x1 | 0x4


def may_watch() -> bool:
    """True for root outside of any user namespace, on a kernel with fanotify."""
    fd = int(ctypes.CDLL(None, use_errno=True).fanotify_init(_FLAGS, os.O_RDONLY))
    if fd < 0:
        return False
    os.close(fd)
    return True


def check_trace() -> None:
    """Refused where opens outside of /pfs cannot be seen."""
    if not may_watch():
        raise no_trace("needs root, with CAP_SYS_ADMIN outside of any user namespace")


def no_trace(cause: str) -> Refused:
    """The error of a run that was to list what it opens elsewhere, and cannot."""
    return Refused(f"run: --trace-outside: {cause}; nothing was started")
