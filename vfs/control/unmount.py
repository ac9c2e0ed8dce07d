"""Taking a mount away: umount2(2) as root, fusermount3 as anybody else."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time

from vfs.control.holders import Holder, holders
from vfs.errors import Busy, MountError
from vfs.files.translate import cause_of
from vfs.workspace import syscalls

FUSERMOUNT = "fusermount3"
# Where libfuse looks even when PATH does not say so.
_PLACES = "/usr/bin:/bin:/usr/local/bin"
# fusermount3 only talks to the kernel; a busy machine may keep it for a second.
_PATIENCE = 10.0
# How long a mount may be busy without anybody who holds it.
_MOMENTS = 1.0
_LOOK_AGAIN = 0.02


def unmount(mountpoint: str, *, lazy: bool = False) -> None:
    """Unmount what is on `mountpoint`; `lazy` detaches it while it is still in use.

    Busy when something is open in it, MountError with the cause otherwise; what is not a mount point
    any more counts as unmounted. Opens that were reported to the daemon and not yet seen by it keep
    the mount busy for some moments after the last program let go: that is waited for, up to a second.
    """
    end = time.monotonic() + _MOMENTS
    held: set[Holder] = set()
    while True:
        try:
            return _unmount(mountpoint, lazy)
        except Busy:
            # What the daemon has open for a moment is another file at the next look.
            before, held = held, set(holders(mountpoint))
            if before & held or time.monotonic() >= end:
                raise
        time.sleep(_LOOK_AGAIN)


def _unmount(mountpoint: str, lazy: bool) -> None:
    if os.geteuid() == 0:
        _unmount_as_root(mountpoint, lazy)
    else:
        _unmount_as_user(mountpoint, lazy)


def _unmount_as_root(mountpoint: str, lazy: bool) -> None:
    try:
        syscalls.umount(mountpoint, flags=syscalls.UMOUNT_NOFOLLOW | (syscalls.MNT_DETACH if lazy else 0))
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise Busy(f"{mountpoint}: busy") from error
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise MountError(f"{mountpoint}: cannot be unmounted: {cause_of(error)}") from error


def find_fusermount(places: str = _PLACES) -> str:
    """The path of fusermount3, on PATH or in `places`; MountError with the remedy when it is not there."""
    path = shutil.which(FUSERMOUNT) or shutil.which(FUSERMOUNT, path=places)
    if path is None:
        raise MountError(f"{FUSERMOUNT}: not found; an ordinary user needs it to mount (package fuse3)")
    return path


def _unmount_as_user(mountpoint: str, lazy: bool) -> None:
    words = [find_fusermount(), "-u", *(["-z"] if lazy else []), "--", mountpoint]
    try:
        done = subprocess.run(
            words, capture_output=True, timeout=_PATIENCE, check=False, env={**os.environ, "LC_ALL": "C"}
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MountError(f"{mountpoint}: cannot be unmounted: {FUSERMOUNT}: {error}") from error
    if done.returncode == 0:
        return
    said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    if "busy" in said:
        raise Busy(f"{mountpoint}: busy")
    if "not found in /etc/mtab" not in said and "not mounted" not in said:
        raise MountError(f"{mountpoint}: cannot be unmounted: {said or 'fusermount3 failed'}")
