"""What daemons leave that died without unmounting: how it is recognised, and cleared away."""

from __future__ import annotations

import errno
import os
import time

from vfs.control.mountinfo import VFS_TYPE, MountedAt, mount_at
from vfs.control.place import Place
from vfs.control.registry import Mount, Registry, described
from vfs.control.unmount import unmount

# A directory without a spec belongs to a start in progress; nobody needs ten minutes from mkdir to the spec.
_UNFINISHED_SECONDS = 600.0


def is_dead(at: MountedAt) -> bool:
    """True when `at` is a vfs mount whose daemon is gone.

    Asked by statfs, which the kernel never answers from its cache: a stat may succeed long after the daemon died.
    """
    if at.type != VFS_TYPE:
        return False
    try:
        os.statvfs(at.point)
    except OSError as error:
        return error.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    return False


def remains(mount: Mount) -> list[str]:
    """Mount points that the dead `mount` left in the kernel's table, topmost first."""
    top, lower = mount_at(mount.mountpoint), mount_at(mount.place.lower)
    left = [mount.mountpoint] if top is not None and _left_by(mount, top) else []
    if lower is not None and is_dead(lower):
        left.append(lower.point)
    return left


def _left_by(mount: Mount, top: MountedAt) -> bool:
    if not mount.layer:
        return is_dead(top)
    # The kernel's overlay names its lower directory, whose path holds our id; fuse-overlayfs does not.
    return top.type == "fuse.fuse-overlayfs" or (top.type == "overlay" and f"{mount.id}/lower" in top.options)


def clear_dead(registry: Registry, point: str) -> bool:
    """Detach dead vfs mounts on `point` and forget them; whether anything was mounted.

    Detached lazily: whoever still has a file open there keeps it until they close it, with ENOTCONN at each read.
    """
    cleared = False
    for mount in [mount for mount in registry.mounts() if mount.mountpoint == point and not mount.alive]:
        left = remains(mount)
        for place in left:
            unmount(place, lazy=True)
        cleared = cleared or bool(left)
        mount.place.remove()
    return _detach_strangers(point) or cleared


def _detach_strangers(point: str) -> bool:
    """Detach dead vfs mounts on `point` that this registry does not know."""
    at, cleared = mount_at(point), False
    while at is not None and is_dead(at):
        unmount(point, lazy=True)
        at, cleared = mount_at(point), True
    return cleared


def sweep(registry: Registry) -> None:
    """Remove the state of dead daemons, unless their mount is still in the table.

    Such a mount keeps its entry until somebody mounts there again or unmounts it: taking it away unasked
    would turn an error into an empty directory under the eyes of whoever reads there.
    """
    with registry.guard():
        for place in registry.places():
            if place.alive():
                continue
            mount = described(place)
            if _old(place) if mount is None else not remains(mount):
                place.remove()


def _old(place: Place) -> bool:
    try:
        return time.time() - os.stat(place.directory).st_mtime > _UNFINISHED_SECONDS
    except OSError:
        return False
