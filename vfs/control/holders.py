"""Who keeps a mount busy: processes with a file, a directory or a mapping in it.

Only links and maps in /proc are read, so that a mount whose daemon is gone or stuck cannot hold us up.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from vfs.control.mountinfo import is_below

# More than a line can usefully show, few enough to stop early on a host with thousands of processes.
HOLDERS_MAX = 8


class Holder(msgspec.Struct, frozen=True):
    """A process that holds something below a mount point: `what` is the path."""

    pid: int
    name: str
    what: str


def _links(pid: str) -> Iterator[str]:
    base = f"/proc/{pid}"
    for name in ("cwd", "root"):
        yield f"{base}/{name}"
    try:
        for fd in os.listdir(f"{base}/fd"):
            yield f"{base}/fd/{fd}"
    except OSError:
        return


def _targets(pid: str) -> Iterator[str]:
    for link in _links(pid):
        try:
            yield os.readlink(link)
        except OSError:
            continue
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            for line in file:
                fields = line.rstrip(b"\n").split(maxsplit=5)
                if len(fields) == 6:
                    yield os.fsdecode(fields[5])
    except OSError:
        return


def _name(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return file.read(64).rstrip(b"\n").decode("utf-8", "replace")
    except OSError:
        return "?"


def holders(mountpoint: str, *, limit: int = HOLDERS_MAX) -> list[Holder]:
    """Processes that hold something at or below `mountpoint`, as far as we may look."""
    found: list[Holder] = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if len(found) >= limit:
            continue
        held = next((target for target in _targets(pid) if is_below(target, mountpoint)), None)
        if held is not None:
            found.append(Holder(int(pid), _name(pid), held))
    return found


def describe(found: list[Holder]) -> str:
    """`found` for a message: `held by less (pid 12), bash (pid 9)`. We ourselves are named only when nobody else is."""
    found = [holder for holder in found if holder.pid != os.getpid()] or found
    if not found:
        return "held by a process of another user, a bind mount or another mount namespace"
    return "held by " + ", ".join(f"{holder.name} (pid {holder.pid})" for holder in found)
