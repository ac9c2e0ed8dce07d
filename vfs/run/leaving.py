"""Taking away the mounts of runs: when one ends, and those of runs that were killed."""

from __future__ import annotations

from contextlib import suppress

from vfs.control.dead import clear_dead
from vfs.control.registry import Registry
from vfs.control.stop import stop
from vfs.errors import VfsError
from vfs.run.place import places


def unmount(point: str, state_dir: str) -> None:
    """Take away the mount of a run that ended."""
    # The namespace went with its last process. Should the mount be busy all the same, it goes when it no longer is.
    try:
        stop(point, state_dir=state_dir)
    except VfsError:
        with suppress(VfsError):
            stop(point, state_dir=state_dir, lazy=True)


def clear_dead_mounts(state_dir: str) -> None:
    """Take away mounts of runs whose runner and daemon were both killed."""
    registry = Registry(state_dir)
    for place in places(state_dir):
        if place.views.is_dir() and not place.is_live():
            clear_dead(registry, str(place.views))
