"""Mounting a layer over a read-only directory: the kernel's overlayfs where we may, fuse-overlayfs elsewhere.

As root in the initial user namespace the kernel keeps renamed directories and changed attributes as marks
(`redirect_dir`, `metacopy`) instead of copying what is below; in a user namespace it may not, and copies.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess

from vfs.errors import Busy, MountError, Refused
from vfs.files.lock import FileLock
from vfs.files.translate import cause_of
from vfs.workspace import syscalls
from vfs.workspace.layer import Layer, escaped, in_mount_table
from vfs.workspace.marks import Flavour

FUSE_OVERLAYFS = "fuse-overlayfs"
SOURCE = "vfs"
# mount(2) takes one page of options.
_OPTIONS_MAX = 4095
_PATIENCE = 20.0
_OVERLAYFS_MAGIC = 0x794C7630
# The whole range of user ids maps to itself in the initial user namespace only.
_INITIAL_MAP = ["0", "0", "4294967295"]
# Tried in this order: kernels before 4.19 have no metacopy, and xino needs 64-bit inode numbers everywhere.
_KERNEL_FEATURES = ("index=off,xino=auto,redirect_dir=on,metacopy=on", "index=off,redirect_dir=on", "")
_USER_FEATURES = ("userxattr,index=off,xino=auto", "userxattr")
# Without writeback the kernel keeps no mtimes of its own for what is written; after a second it asks again for others.
_FUSE_FEATURES = "writeback=0,timeout=1"


class Overlay:
    """A mounted layer. Holds the layer's mount lock, and its volume, from before the mount until `unmount` returned."""

    def __init__(self, layer: Layer, target: str, flavour: Flavour, lock: FileLock) -> None:
        self.layer = layer
        self.target = target
        self.flavour = flavour
        self._lock = lock

    def unmount(self, *, lazy: bool = False) -> None:
        """Unmount, detaching at once when `lazy`; Busy when something is open in it, MountError otherwise.

        What is not mounted any more counts as unmounted.
        """
        if self.flavour is Flavour.FUSE:
            _unmount_fuse(self.target, lazy)
        else:
            _unmount_kernel(self.target, lazy)
        if self.layer.volume is not None:
            self.layer.volume.release()
        self._lock.release()


def mount_overlay(lower: str, layer: Layer, target: str) -> Overlay:
    """Show the directory `lower` with `layer` over it at `target`, writable.

    Busy when the layer is mounted already; Refused when another kind of overlay wrote it; MountError with
    the remedy when this user, kernel or file system allows none.
    """
    lock = claim_mount(layer)
    try:
        if layer.volume is not None:
            layer.volume.hold()
        flavour = _mount(lower, layer, target)
    except BaseException:
        if layer.volume is not None:
            layer.volume.release()
        lock.release()
        raise
    return Overlay(layer, target, flavour, lock)


def claim_mount(layer: Layer) -> FileLock:
    """The mount lock of `layer`, taken; Busy when it is mounted."""
    lock = layer.mount_lock()
    if not lock.try_lock() or in_mount_table(layer.upper):
        lock.release()
        raise Busy(f"layer of {layer.base.mountpoint}: is mounted already; unmount it first")
    return lock


def mount_in_kernel(lower: str, layer: Layer, target: str) -> Flavour:
    """As `mount_overlay`, through the kernel alone, for a caller that has the mount lock: MountError, Refused."""
    _check_upper(layer)
    kernel = Flavour.KERNEL if in_initial_namespace() else Flavour.USER
    denied = _mount_kernel(lower, layer, target, kernel)
    if denied is not None:
        raise MountError(f"{target}: cannot be made writable: the kernel's overlayfs {denied}; it takes Linux 5.11")
    return kernel


def _mount(lower: str, layer: Layer, target: str) -> Flavour:
    _check_upper(layer)
    kernel = Flavour.KERNEL if in_initial_namespace() else Flavour.USER
    written_by = layer.flavour()
    if written_by is not Flavour.FUSE or layer.is_untouched():
        denied = _mount_kernel(lower, layer, target, kernel)
        if denied is None:
            return kernel
    else:
        denied = f"was written through {FUSE_OVERLAYFS}"
    _mount_fuse(lower, layer, target, denied)
    return Flavour.FUSE


def in_initial_namespace() -> bool:
    """True unless this process lives in a user namespace of its own."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            return file.read().split() == _INITIAL_MAP
    except OSError:
        return True


def _check_upper(layer: Layer) -> None:
    if _file_system(os.fspath(layer.upper)) == _OVERLAYFS_MAGIC:
        raise MountError(
            f"{layer.upper}: lies on overlayfs, which cannot hold a writable layer; "
            "put the state directory on a volume (state_dir, VFS_STATE_DIR)"
        )


def _file_system(path: str) -> int:
    """The magic number that statfs(2) gives; it is the first word of the structure on all our architectures."""
    buffer = (ctypes.c_long * 32)()
    libc = ctypes.CDLL(None, use_errno=True)
    return int(buffer[0]) if libc.statfs(os.fsencode(path), buffer) == 0 else 0


def _claim(layer: Layer, flavour: Flavour) -> None:
    """Record who is about to write; what another kind of overlay wrote would be read wrongly."""
    written_by = layer.flavour()
    if written_by is flavour:
        return
    if written_by is not None and not layer.is_untouched():
        remedy = f"go on with vfs shell --layer {layer.id}, or " if written_by is Flavour.USER else ""
        raise Refused(
            f"layer of {layer.base.mountpoint}: was written through {written_by.value} and cannot be mounted "
            f"through {flavour.value}; {remedy}commit or discard it first"
        )
    layer.set_flavour(flavour)


def _mount_kernel(lower: str, layer: Layer, target: str, flavour: Flavour) -> str | None:
    """Mount through the kernel; None when done, else why this user or kernel may not."""
    _claim(layer, flavour)
    places = _options(lower, layer)
    failure = OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    for features in _KERNEL_FEATURES if flavour is Flavour.KERNEL else _USER_FEATURES:
        data = f"{places},{features}" if features else places
        if len(os.fsencode(data)) > _OPTIONS_MAX:
            raise MountError(f"{layer.directory}: its path is too long to be mounted; choose a shorter state directory")
        try:
            syscalls.mount(SOURCE, target, "overlay", flags=syscalls.MS_NODEV | syscalls.MS_NOSUID, data=data)
        except OSError as error:
            failure = error
            if error.errno != errno.EINVAL:
                break
        else:
            return None
    if failure.errno in (errno.EPERM, errno.EACCES):
        return "may be mounted by root only"
    if failure.errno == errno.ENODEV:
        return "is not in this kernel (modprobe overlay)"
    raise MountError(
        f"{target}: overlayfs cannot be mounted over {lower}: {cause_of(failure)}; the kernel log says more"
    )


def _options(lower: str, layer: Layer) -> str:
    lowerdir = escaped(lower).replace(":", "\\:")
    return f"lowerdir={lowerdir},upperdir={escaped(os.fspath(layer.upper))},workdir={escaped(os.fspath(layer.work))}"


def _mount_fuse(lower: str, layer: Layer, target: str, denied: str) -> None:
    program = shutil.which(FUSE_OVERLAYFS)
    if program is None:
        raise MountError(
            f"{target}: a writable mount is not possible here: the kernel's overlayfs {denied}, and {FUSE_OVERLAYFS} "
            "is not installed; install it (package fuse-overlayfs), or mount as root"
        )
    _claim(layer, Flavour.FUSE)
    words = [program, "-o", f"{_options(lower, layer)},{_FUSE_FEATURES}", target]
    try:
        before = os.stat(layer.upper)
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False)
        # It tries out what the file system can do, and leaves the mtime of that.
        os.utime(layer.upper, ns=(before.st_atime_ns, before.st_mtime_ns))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MountError(f"{target}: {FUSE_OVERLAYFS}: {error}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise MountError(f"{target}: {FUSE_OVERLAYFS} cannot be mounted: {said or f'status {done.returncode}'}")


def _unmount_kernel(target: str, lazy: bool) -> None:
    flags = syscalls.UMOUNT_NOFOLLOW | (syscalls.MNT_DETACH if lazy else 0)
    try:
        syscalls.umount(target, flags=flags)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise Busy(f"{target}: busy") from error
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise MountError(f"{target}: cannot be unmounted: {cause_of(error)}") from error


def _unmount_fuse(target: str, lazy: bool) -> None:
    words = ["fusermount3", "-u", *(["-z"] if lazy else []), "--", target]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MountError(f"{target}: cannot be unmounted: fusermount3: {error}") from error
    said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    if done.returncode and "busy" in said.lower():
        raise Busy(f"{target}: busy")
    if done.returncode and "not found" not in said and "not mounted" not in said:
        raise MountError(f"{target}: cannot be unmounted: {said or 'fusermount3 failed'}")
