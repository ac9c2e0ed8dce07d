"""Which files the processes of a run open outside of `/pfs`: paths alone, where that was asked for."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Mapping

from vfs.control.mountinfo import is_below, mounts
from vfs.journal.observe import Observer
from vfsd.group import Group, Report, place_of
from vfsd.teller import Teller

_PLACE = "/pfs"
# What the kernel makes up holds no inputs, and much of it is opened all the time.
_MADE_UP = frozenset(
    {"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs"}
    | {"fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs"}
    | {"tracefs"}
)
_GONE = b" (deleted)"


class Outside(Teller):
    """Tells the path of each regular file that was opened, as the run sees it."""

    def tell(self, reports: Iterable[Report], keys: Mapping[int, int]) -> None:
        """Tell of opens by processes that are in `keys`."""
        for report in reports:
            key = keys.get(report.pid)
            if key is None or not report.opened:
                continue
            found = os.fstat(report.fd)
            if stat.S_ISREG(found.st_mode):
                path = os.readlink(f"/proc/self/fd/{report.fd}".encode())
                self._observer.outside(key, path if found.st_nlink else path.removesuffix(_GONE))


def outside_of_run(pid: int, observer: Observer) -> Outside:
    """What the processes in the namespace of `pid` open outside of /pfs, but that process itself; OSError."""
    return Outside(Group(_places(pid), closes=False), observer, entered=pid)


def _places(pid: int) -> list[int]:
    """Descriptors in all mounts that the process `pid` sees, but those of its run and those that hold no files.

    Two mounts of which one hides the other count as the one that is seen.
    """
    table = mounts(f"/proc/{pid}/mountinfo")
    views = {mount.device for mount in table if is_below(mount.point, _PLACE) and mount.type.startswith("fuse")}
    wanted = {
        mount.point
        for mount in table
        if mount.type not in _MADE_UP and not is_below(mount.point, _PLACE) and mount.device not in views
    }
    places = []
    for point in sorted(wanted):
        # One that cannot be reached now cannot be read either.
        with contextlib.suppress(OSError):
            places.append(place_of(pid, point))
    return places
