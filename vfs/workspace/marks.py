"""How an upper layer says "gone", "replaced", "moved" and "only the attributes": the notation of its writer.

Three writers: the kernel's overlayfs as root (`trusted.overlay.*`), the same in a user namespace
(`user.overlay.*`), and fuse-overlayfs (`*.overlay.*`, `user.fuseoverlayfs.*` and files called `.wh.…`). A layer
records its writer, because under the first one a program may itself set attributes that look like the others'.
"""

from __future__ import annotations

import errno
import os
import stat
from enum import Enum

import msgspec

from vfs.errors import Busy, LocalIOError
from vfs.model.names import printable
from vfs.repo.directory import Directory

Xattrs = tuple[tuple[bytes, bytes], ...]

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
# fuse-overlayfs leaves a character device of this name beside its opaque marker.
_OPAQUE_TWIN = b".wh..opq"
_USER = b"user."
# Never the user's own: a tree does not hold them either when such a file is put.
_PRIVATE = (b"user.overlay.", b"user.fuseoverlayfs.")
# Looking takes some microseconds; who changes a file so often does nothing else.
_LOOKS = 10
# An attribute that was listed is gone, or longer, when its value is asked for.
_VANISHED = frozenset({errno.ENODATA, errno.ERANGE})
# A file system without extended attributes answers one of these; the entry has none then.
_NO_XATTRS = frozenset({errno.ENOTSUP, errno.ENODATA, errno.EPERM})


class Flavour(Enum):
    """Who writes an upper layer. The values are part of the layer's format."""

    KERNEL = "overlay"
    USER = "overlay-userxattr"
    FUSE = "fuse-overlayfs"


_PREFIXES: dict[Flavour, tuple[bytes, ...]] = {
    Flavour.KERNEL: (b"trusted.overlay.",),
    Flavour.USER: (b"user.overlay.",),
    Flavour.FUSE: (b"user.fuseoverlayfs.", b"trusted.overlay.", b"user.overlay."),
}


class Marks(msgspec.Struct, frozen=True):
    """What the extended attributes of one entry say.

    `redirect` is b"" or where in the lower layer the entry comes from: a name beside it, or a path that
    starts with a slash. `xattrs` are the user's own, sorted by name.
    """

    opaque: bool = False
    whiteout: bool = False
    metacopy: bool = False
    redirect: bytes = b""
    xattrs: Xattrs = ()


NO_MARKS = Marks()


def check_marks_can_be_read(directory: Directory) -> None:
    """LocalIOError where /proc is missing: an entry whose marks cannot be read would pass for one that vanished."""
    try:
        os.stat(b"/proc/self/fd/%d" % directory.fd)
    except OSError as error:
        raise LocalIOError("/proc: is not mounted, and a layer cannot be read without it") from error


def look(parent: Directory, name: bytes, flavour: Flavour) -> tuple[os.stat_result, Marks]:
    """Status and marks of `name`, both of one file in one state: it may be replaced by another at any time.

    Busy when it changes each time; OSError as the system gives it.
    """
    for _ in range(_LOOKS):
        try:
            status, marks = parent.status(name), read_marks(parent, name, flavour)
        except OSError as error:
            if error.errno not in _VANISHED:
                raise
            continue
        # Without marks nothing hangs together, and most entries have none.
        if marks == NO_MARKS or same_state(status, parent.status(name)):
            return status, marks
    raise Busy(f"{printable(name)}: changes each time it is looked at")


def same_state(a: os.stat_result, b: os.stat_result) -> bool:
    """True when nothing happened to a file between the two, and it is one file."""
    return (a.st_ino, a.st_ctime_ns, a.st_mode, a.st_size) == (b.st_ino, b.st_ctime_ns, b.st_mode, b.st_size)


def read_marks(parent: Directory, name: bytes, flavour: Flavour) -> Marks:
    """The marks of `name`, not followed when it is a symlink. OSError as the system gives it."""
    # There is no listxattr below a descriptor; the path through /proc is as safe against renamed directories.
    path = b"/proc/self/fd/%d/%s" % (parent.fd, name)
    names = _names(path)
    if not names:
        return NO_MARKS
    own: dict[bytes, bytes] = {}
    for attribute in names:
        mark = _mark_in(attribute, flavour)
        if mark is not None:
            own[mark] = _value(path, attribute)
    return Marks(
        opaque=own.get(b"opaque") == b"y",
        whiteout=b"whiteout" in own,
        metacopy=b"metacopy" in own,
        redirect=own.get(b"redirect", b""),
        xattrs=tuple((one, _value(path, one)) for one in sorted(names) if is_users_own(one)),
    )


def is_users_own(attribute: bytes) -> bool:
    """True for an attribute that belongs to the entry, not to whoever writes the layer."""
    return attribute.startswith(_USER) and not attribute.startswith(_PRIVATE)


def is_whiteout(found: os.stat_result, marks: Marks) -> bool:
    """True for an entry that says "gone": a character device 0/0, or an empty file with the mark."""
    if stat.S_ISCHR(found.st_mode):
        return found.st_rdev == 0
    return marks.whiteout and stat.S_ISREG(found.st_mode) and found.st_size == 0


def split_names(names: list[bytes], flavour: Flavour) -> tuple[list[bytes], list[bytes]]:
    """(names of real entries, names that are whited out) of the names in one upper directory."""
    if flavour is not Flavour.FUSE:
        return names, []
    marked = [name for name in names if name.startswith(_WHITEOUT) and name not in (_OPAQUE, _OPAQUE_TWIN)]
    real = [name for name in names if not name.startswith(_WHITEOUT)]
    return real, [name.removeprefix(_WHITEOUT) for name in marked]


def has_opaque_file(parent: Directory, name: bytes, flavour: Flavour) -> bool:
    """True when the directory `name` hides what is below it by a file in it."""
    if flavour is not Flavour.FUSE:
        return False
    try:
        parent.below([name]).status(_OPAQUE)
    except OSError:
        return False
    return True


def has_whiteout_file(parent: Directory, name: bytes, flavour: Flavour) -> bool:
    """True when a file in the directory `parent` says that `name` is gone."""
    if flavour is not Flavour.FUSE:
        return False
    try:
        parent.status(_WHITEOUT + name)
    except OSError:
        return False
    return True


def _mark_in(attribute: bytes, flavour: Flavour) -> bytes | None:
    for prefix in _PREFIXES[flavour]:
        # An overlay inside the mount has its own attributes escaped by one more "overlay.".
        if attribute.startswith(prefix) and not attribute.startswith(prefix + b"overlay."):
            return attribute.removeprefix(prefix)
    return None


def _names(path: bytes) -> list[bytes]:
    try:
        return [os.fsencode(name) for name in os.listxattr(path, follow_symlinks=False)]
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return []
        raise


def _value(path: bytes, attribute: bytes) -> bytes:
    return os.getxattr(path, attribute, follow_symlinks=False)
