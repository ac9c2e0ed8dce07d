"""The place of one run on disk, `<state dir>/runs/<id>/`: where its inputs are mounted and what it writes.

In it: `views` (the mount point of the inputs), `out` (what the command sees as /pfs/out), `root` (the mount point
of its root directory, where /pfs does not exist), `enter.json` (for the process that sets all this up) and
`lock` (held while the run lasts). Where the output is limited in size the image `volume.img` holds it, see
`vfs.run.room`. After a run that was committed nothing is left; after any other one the output is.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from vfs.errors import LocalIOError, Refused
from vfs.files.lock import FileLock
from vfs.files.private import private_dir
from vfs.files.translate import local_error
from vfs.run.room import OUTPUT_MODE, Room
from vfs.workspace.removal import remove_tree


class RunPlace:
    """One run's directory. Made by `create`; locked by this object until `release`. `room`: of a limited output."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.id = directory.name
        self.views = directory / "views"
        room = Room(directory)
        self.room = room if room.image.exists() else None
        self.out = directory / "out"
        self.root = directory / "root"
        self.enter = directory / "enter.json"
        self._lock = FileLock(directory / "lock", timeout=0)

    @classmethod
    def create(cls, state_dir: str, *, max_size: int = 0) -> RunPlace:
        """A new place, locked, for an output of `max_size` bytes, 0 for no limit; LocalIOError, MountError."""
        directory = private_dir(runs_dir(state_dir) / secrets.token_hex(8))
        try:
            if max_size:
                Room(directory).make(max_size)
            place = cls(directory)
            place._fill()
        except BaseException as error:
            # What is left of it is nothing to what went wrong.
            with suppress(LocalIOError):
                remove_tree(directory)
            if isinstance(error, OSError):
                raise local_error(directory, "made", error) from error
            raise
        return place

    def _fill(self) -> None:
        for directory in (self.views, self.root):
            directory.mkdir(mode=0o700)
        if self.room is None:
            self.out.mkdir()
            # The umask of the caller is for what the command makes, not for the root of the tree.
            self.out.chmod(OUTPUT_MODE)
        if not self._lock.try_lock():
            raise Refused(f"{self.directory}: taken by another run")

    @property
    def written(self) -> Path | None:
        """The directory with what the command wrote; None where nothing can have been written."""
        return self.out if self.room is None else self.room.written

    @property
    def output(self) -> Path:
        """What holds the output when the run has ended, and nothing was committed."""
        return self.out if self.room is None else self.room.image

    def is_live(self) -> bool:
        """True while the run of this place lasts."""
        if self._lock.held or not self._lock.try_lock():
            return True
        self._lock.release()
        return False

    def keep(self) -> bool:
        """Leave what was written, and nothing else; False, and nothing is left, when nothing was written."""
        if not self._has_output():
            self.remove()
            return False
        if self.room is not None:
            self.room.give_back()
            self.room.leave()
        for path in (self.views, self.root, self.enter, self.directory / "volume"):
            _drop(path)
        self.release()
        return True

    def _has_output(self) -> bool:
        written = self.written
        if written is None:
            return False
        try:
            with os.scandir(written) as entries:
                return next(entries, None) is not None
        except OSError as error:
            raise local_error(self.output, "listed", error) from error

    def remove(self) -> None:
        """Leave nothing."""
        if self.room is not None:
            self.room.leave()
        remove_tree(self.directory)
        self.release()

    def release(self) -> None:
        """Give up the lock."""
        self._lock.release()


def runs_dir(state_dir: str) -> Path:
    """The directory that holds the places of runs; made when absent."""
    return private_dir(Path(os.path.realpath(private_dir(state_dir))) / "runs")


def places(state_dir: str) -> list[RunPlace]:
    """The places of all runs, those that last and those whose output was kept."""
    return [RunPlace(path) for path in sorted(runs_dir(state_dir).iterdir()) if path.is_dir()]


def described(output: Path) -> str:
    """Where an output is that was kept, for people: the `output` of a place, and how to look into an image."""
    hint = f" (ext4: mount -o loop {output} DIR shows it in DIR/out)" if output.suffix == ".img" else ""
    return f"{output}{hint}"


def _drop(path: Path) -> None:
    try:
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
    except OSError:
        # A mount that could not be taken away yet; what was written counts more than a tidy directory.
        return
