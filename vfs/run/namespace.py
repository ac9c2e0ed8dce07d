"""A mount namespace in which /pfs shows a run's inputs and its output directory, for root and for ordinary users.

Where /pfs is a directory the inputs are mounted on it. Where it is not, the process gets a new root directory,
read-only itself, with all that is in `/` mounted into it, and /pfs. Nothing of this is seen from outside,
and it goes with the last process in the namespace. Called in a process of one thread.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from vfs.errors import MountError
from vfs.workspace import syscalls
from vfs.workspace.syscalls import mount

PLACE = "/pfs"
_HIDDEN = syscalls.MS_NOSUID | syscalls.MS_NODEV
# Entries of `/` that cannot be reached are left out: a dead network mount must not keep a run from starting.
_UNREACHABLE = frozenset({errno.ENOTCONN, errno.ESTALE, errno.EIO, errno.EHOSTDOWN, errno.EACCES, errno.ENOENT})


def enter(*, views: str, out: str, root: str, prepare: Callable[[], None] = lambda: None) -> None:
    """Move this process to a mount namespace of its own. MountError with the remedy when the kernel does not let us.

    `views`: a directory with the inputs by name and an empty directory `out`; `out`: shown there; `root`:
    an empty directory, for the new root. The working directory stays the same. `prepare` is called in the namespace
    first: what it mounts anywhere is seen there and nowhere else.
    """
    enter_showing(lambda place: _show(place, views, out), root=root, prepare=prepare)


def enter_showing(show: Callable[[str], None], *, root: str, prepare: Callable[[], None] = lambda: None) -> None:
    """As `enter`, with `show` to mount what is to be seen on the directory it is given, which becomes /pfs."""
    here = _working_directory()
    _unshare()
    try:
        mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_SLAVE)
        prepare()
        if _is_directory(PLACE):
            show(PLACE)
        else:
            _new_root(root, show)
    except OSError as error:
        raise MountError(f"{error.filename or PLACE}: cannot be mounted for the run: {_cause(error)}") from error
    _return_to(here)


def _unshare() -> None:
    try:
        syscalls.unshare(syscalls.CLONE_NEWNS)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise _refused(error) from error
    else:
        return
    uid, gid = os.geteuid(), os.getegid()
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
        # Without the right to set groups, the group map may be written; supplementary groups keep their effect.
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    except OSError as error:
        raise _refused(error) from error


def _refused(error: OSError) -> MountError:
    return MountError(
        f"run: no namespace for its inputs: {_cause(error)}; run as root, let users make namespaces (sysctl "
        "user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0), or start the container with "
        "--cap-add SYS_ADMIN"
    )


def _show(place: str, views: str, out: str) -> None:
    mount(views, place, flags=syscalls.MS_BIND)
    mount(out, f"{place}/out", flags=syscalls.MS_BIND)


def _new_root(root: str, show: Callable[[str], None]) -> None:
    mount("tmpfs", root, "tmpfs", flags=_HIDDEN, data="mode=0755,size=1m")
    # Or mounting the directory that holds it into it would begin again from the start.
    mount("none", root, flags=syscalls.MS_UNBINDABLE)
    with os.scandir("/") as entries:
        for name in sorted(entry.name for entry in entries if entry.name != PLACE.lstrip("/")):
            _carry_over(f"/{name}", f"{root}/{name}")
    os.mkdir(root + PLACE)
    show(root + PLACE)
    # What is written to `/` itself would be lost, so it is refused.
    mount("none", root, flags=syscalls.MS_REMOUNT | syscalls.MS_BIND | syscalls.MS_RDONLY | _HIDDEN)
    os.chdir(root)
    # The old root lands on top of the new one, and is taken away from there.
    syscalls.pivot_root(".", ".")
    syscalls.umount(".", flags=syscalls.MNT_DETACH)
    os.chdir("/")


def _carry_over(old: str, new: str) -> None:
    try:
        mode = os.lstat(old).st_mode
        if stat.S_ISLNK(mode):
            os.symlink(os.readlink(old), new)
            return
        if stat.S_ISDIR(mode):
            os.mkdir(new)
        else:
            os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
        mount(old, new, flags=syscalls.MS_BIND | syscalls.MS_REC)
    except OSError as error:
        if error.errno not in _UNREACHABLE:
            raise


def _is_directory(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        raise MountError(f"working directory: cannot be reached: {_cause(error)}") from error


def _return_to(directory: str) -> None:
    try:
        os.chdir(directory)
    except OSError as error:
        raise MountError(f"{directory}: the working directory cannot be reached in the run: {_cause(error)}") from error


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _cause(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
