"""Whether the kernel reports opens of a commit's files that are made through an overlay over its mount."""

from __future__ import annotations

import os

from vfsd.fanotify import Fanotify
from vfsd.filesystem import FileSystem

# Files that are tried: one may have been changed or deleted in the overlay.
_TRIED = 16


def reported_through(overlay: str, lower: str, files: FileSystem) -> bool:
    """Open files of the commit in `overlay`, and see whether that is reported for the mount at `lower`; OSError.

    Kernels differ in this, and where it is not reported nothing else would tell. False also where there is no file to
    try it with. Opens meanwhile are requests, so none is lost. Waits for both mounts.
    """
    queue = Fanotify(lower)
    try:
        queue.hold(False)
        return any(
            _reported(queue, os.path.join(os.fsencode(overlay), path), inode)
            for inode, path in files.some_files(_TRIED)
        )
    finally:
        queue.close()


def _reported(queue: Fanotify, path: bytes, inode: int) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK))
    except OSError:
        return False
    # The report is in the queue before the open returns.
    found = False
    while (told := queue.read()).pids:
        queue.go(told.held)
        found = found or (os.getpid(), inode) in zip(told.pids, told.inodes, strict=True)
    return found
