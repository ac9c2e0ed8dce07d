"""Bringing a layer to disk before it is read, so that whatever changes it afterwards is seen to do so."""

from __future__ import annotations

import os
import time
from pathlib import Path

from vfs.files.translate import local_error
from vfs.workspace.layer import Layer
from vfs.workspace.syscalls import syncfs

# The slowest kernel stamps files every 10 ms, and then any clock has moved on.
_TICK_SECONDS, _TICKS_MAX = 0.001, 50


def write_back(layer: Layer) -> int:
    """Write back what programs have in memory for the layer; a time before that and after all earlier changes.

    A page that was written back is write-protected, so a later write through a mapping changes the mtime.
    """
    try:
        since_ns = _next_tick(layer.directory / "work.lock")
        fd = os.open(layer.upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syncfs(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise local_error(layer.upper, "written back", error) from error
    return since_ns


def _next_tick(probe: Path) -> int:
    """Wait until the file system stamps changes with a later time than now, and give that time (ns)."""
    first = last = 0
    for _ in range(_TICKS_MAX):
        os.utime(probe)
        last = os.stat(probe).st_ctime_ns
        first = first or last
        if last > first:
            break
        time.sleep(_TICK_SECONDS)
    return last
