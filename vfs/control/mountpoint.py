"""Whether a directory can be mounted on, and whether this user and machine can mount; every no says what to do."""

from __future__ import annotations

import errno
import os
import stat

from vfs.control.mountinfo import OVERLAY_TYPES, VFS_TYPE, covering, mount_at
from vfs.control.unmount import find_fusermount
from vfs.errors import MountError
from vfs.files.paths import real_path
from vfs.files.translate import cause_of

DEVICE = "/dev/fuse"
FUSE_CONF = "/etc/fuse.conf"


def canonical(path: str) -> str:
    """`path` absolute and free of symlinks, as the kernel's table has it; it need not exist, nor answer."""
    return real_path(path)


def check_mountpoint(point: str) -> None:
    """MountError unless `point` (canonical) is an empty directory that nothing of ours is on or around."""
    _check_table(point)
    try:
        found = os.lstat(point)
        if not stat.S_ISDIR(found.st_mode):
            raise MountError(f"{point}: cannot be mounted on: not a directory; give an empty directory")
        with os.scandir(point) as entries:
            if next(entries, None) is not None:
                raise MountError(f"{point}: cannot be mounted on: not empty; give an empty directory")
    except OSError as error:
        raise _unusable(point, error) from error
    if os.geteuid() != 0 and not os.access(point, os.W_OK):
        raise MountError(f"{point}: cannot be mounted on: no write permission; give a directory of your own")


def _check_table(point: str) -> None:
    at = mount_at(point)
    if at is not None and (at.type.startswith("fuse") or at.type in OVERLAY_TYPES):
        raise MountError(f"{point}: already a mount point ({at.type}, {at.source}); unmount it first or give another")
    around = covering(point)
    if around is not None and around.type == VFS_TYPE:
        raise MountError(
            f"{point}: cannot be mounted on: inside the vfs mount {around.point}; give a directory outside"
        )


def _unusable(point: str, error: OSError) -> MountError:
    if error.errno == errno.ENOENT:
        return MountError(f"{point}: cannot be mounted on: no such directory; make it first with mkdir -p {point}")
    if error.errno == errno.ENOTCONN:
        return MountError(f"{point}: a dead mount of another program; unmount it first with fusermount3 -u -z {point}")
    return MountError(f"{point}: cannot be mounted on: {cause_of(error)}")


def check_machine(device: str = DEVICE) -> None:
    """MountError unless this process can open /dev/fuse and has what a mount needs."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise MountError(f"{device}: {_remedy(error, device)}") from error
    if os.geteuid() != 0:
        find_fusermount()


def _remedy(error: OSError, device: str) -> str:
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return (
            "not there; load the module with modprobe fuse, or start the container with "
            "--device /dev/fuse --cap-add SYS_ADMIN"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{cause_of(error)}; let this user open it (chmod 666 {device}, or a group), or start the "
            "container with --device /dev/fuse"
        )
    return cause_of(error)


def others_allowed() -> bool:
    """True when mounts of this user may be shown to other users: root's always."""
    return os.geteuid() == 0 or conf_allows_others(FUSE_CONF)


def conf_allows_others(conf: str) -> bool:
    """True when /etc/fuse.conf lets ordinary users show their mounts to others."""
    try:
        with open(conf, encoding="utf-8", errors="replace") as file:
            return any(line.strip() == "user_allow_other" for line in file)
    except OSError:
        return False


def check_allow_other(wanted: bool | None) -> bool:
    """Whether the mount is for everyone: `wanted`, or what is possible when None. MountError for what is not."""
    possible = others_allowed()
    if wanted and not possible:
        raise MountError(f"allow other users: {FUSE_CONF} forbids it; root must add the line user_allow_other there")
    return possible if wanted is None else wanted
