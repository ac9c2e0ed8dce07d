"""The mounts of runs at their end: having them write down what was read, and taking them away, of killed runs too."""

from __future__ import annotations

from contextlib import suppress

from vfs.control.client import Client
from vfs.control.dead import clear_dead
from vfs.control.registry import Mount, Registry
from vfs.control.stop import stop
from vfs.errors import VfsError
from vfs.run.place import places


def living_mount(point: str, state_dir: str) -> Mount | None:
    """The mount of a run, None when its daemon died."""
    mount = Registry(state_dir).find(point)
    return mount if mount is not None and mount.alive else None


def written_down(point: str, state_dir: str, *, what: str) -> tuple[str, ...]:
    """Have the daemon write down what was read. A line that says so where it could not, or is not there any more."""
    mount = living_mount(point, state_dir)
    if mount is None:
        return (f"the mount of the {what} died under the command",)
    try:
        with Client(mount.place) as client:
            client.flush()
    except VfsError as error:
        return (f"what the command read could not be recorded: {error}",)
    return ()


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
