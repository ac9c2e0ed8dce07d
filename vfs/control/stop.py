"""Ending a mount from outside."""

from __future__ import annotations

import contextlib
import time

from vfs.control.client import Client
from vfs.control.dead import clear_dead
from vfs.control.holders import describe, holders
from vfs.control.mountinfo import VFS_TYPE, mount_at
from vfs.control.mountpoint import canonical
from vfs.control.place import Place
from vfs.control.registry import Registry
from vfs.control.unmount import unmount
from vfs.errors import Busy, DaemonError, MountError

# The daemon drains for at most 10 s once asked; a second more for its journal.
STOP_SECONDS = 15.0
_LOOK_AGAIN = 0.02


def stop(mountpoint: str, *, state_dir: str, lazy: bool = False, timeout: float = STOP_SECONDS) -> None:
    """Unmount `mountpoint` and wait until its daemon has ended, its journal is written and its state is gone.

    MountError when it is no vfs mount, or when it is busy and not `lazy`: then nothing has changed, and the
    message names who holds it. A `lazy` unmount detaches at once; the daemon goes on for those who
    still hold something open, and this call does not wait for it. A dead mount is cleared.
    """
    registry, point = Registry(state_dir), canonical(mountpoint)
    mount = registry.find(point)
    if mount is None or not mount.alive:
        known = mount is not None
        if not clear_dead(registry, point) and not known:
            _unmount_unknown(point, lazy)
        return
    _unmount(point, lazy)
    _ask(mount.place, lazy)
    if not lazy:
        _await_end(mount.place, point, timeout)


def _unmount_unknown(point: str, lazy: bool) -> None:
    at = mount_at(point)
    if at is None or at.type != VFS_TYPE:
        raise MountError(f"{point}: not a vfs mount")
    _unmount(point, lazy)


def _unmount(point: str, lazy: bool) -> None:
    try:
        unmount(point, lazy=lazy)
    except Busy as error:
        raise MountError(f"{point}: busy: {describe(holders(point))}; end that, or detach it with --lazy") from error


def _ask(place: Place, lazy: bool) -> None:
    """Tell the daemon, which takes away what lies below a writable layer; by itself it would see a second later."""
    with contextlib.suppress(DaemonError), Client(place, timeout=_LOOK_AGAIN * 100) as client:
        client.stop(lazy=lazy)


def _await_end(place: Place, point: str, timeout: float) -> None:
    end = time.monotonic() + timeout
    while place.alive():
        if time.monotonic() >= end:
            raise DaemonError(f"{point}: unmounted, but its daemon has not ended after {timeout:g} s; see {place.log}")
        time.sleep(_LOOK_AGAIN)
    place.remove()
