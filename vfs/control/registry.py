"""The mounts of one user: one directory for each below `<state_dir>/mounts`."""

from __future__ import annotations

import os
import time

import msgspec

from vfs.control.place import Place
from vfs.control.spec import MountKind, MountSpec, read_spec, write_spec
from vfs.errors import MountError, VfsError
from vfs.files.lock import FileLock
from vfs.files.private import private_dir
from vfs.files.translate import local_error


class Mount(msgspec.Struct, frozen=True):
    """One known mount. `started_ns` and `pid` are 0 until its daemon runs; not `alive`: it died and left things."""

    id: str
    mountpoint: str
    kind: MountKind
    title: str
    pid: int
    started_ns: int
    alive: bool
    read_only: bool
    layer: str
    session: str
    directory: str

    @property
    def place(self) -> Place:
        """Its state directory."""
        return Place(self.directory)


class Registry:
    """The mounts below one state directory. Entries are made under `mounts/.lock`: a directory has one mount."""

    def __init__(self, state_dir: str) -> None:
        private_dir(state_dir)
        # As the kernel names it: `lower` is looked up in its table.
        self.directory = os.path.realpath(private_dir(os.path.join(state_dir, "mounts")))

    def guard(self) -> FileLock:
        """The lock under which entries are made and removed."""
        return FileLock(os.path.join(self.directory, ".lock"))

    def places(self) -> list[Place]:
        """The state directories, whole or not, in no order that means anything."""
        try:
            names = sorted(name for name in os.listdir(self.directory) if not name.startswith("."))
        except OSError as error:
            raise local_error(self.directory, "listed", error) from error
        return [Place(os.path.join(self.directory, name)) for name in names]

    def mounts(self) -> list[Mount]:
        """All mounts, oldest first; a directory whose spec cannot be read is left out."""
        found = [mount for mount in map(described, self.places()) if mount is not None]
        return sorted(found, key=lambda mount: (mount.started_ns or time.time_ns(), mount.id))

    def find(self, mountpoint: str) -> Mount | None:
        """The mount on `mountpoint` (a canonical path): a live one rather than a dead one."""
        found = [mount for mount in self.mounts() if mount.mountpoint == mountpoint]
        return max(found, key=lambda mount: mount.alive, default=None)

    def create(self, spec: MountSpec) -> tuple[Place, int]:
        """A state directory for `spec` and the descriptor of its lock; MountError when the mount point is taken."""
        with self.guard():
            other = self.find(spec.mountpoint)
            if other is not None and other.alive:
                raise taken(other)
            place = Place(str(private_dir(os.path.join(self.directory, spec.id))))
            lock = place.take_lock()
            if lock < 0:
                raise MountError(f"mount {spec.id}: the id is in use")
            write_spec(place.spec, spec)
            return place, lock


def taken(other: Mount) -> MountError:
    """The error for a mount point on which `other` lives."""
    what = other.title or "a vfs mount"
    return MountError(
        f"{other.mountpoint}: already mounted: {what}; unmount it first with vfs umount {other.mountpoint}"
    )


def described(place: Place) -> Mount | None:
    """The mount whose state is in `place`; None when its spec is not there or cannot be read."""
    try:
        spec = read_spec(place.spec)
    except VfsError:
        return None
    daemon = place.read_daemon()
    return Mount(
        id=spec.id,
        mountpoint=spec.mountpoint,
        kind=spec.kind,
        title=spec.title,
        pid=daemon.pid if daemon else 0,
        started_ns=daemon.started_ns if daemon else 0,
        alive=place.alive(),
        read_only=spec.read_only,
        layer=spec.layer,
        session=daemon.session if daemon else spec.session,
        directory=place.directory,
    )
