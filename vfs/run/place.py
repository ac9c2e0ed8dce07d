"""The place of one run on disk, `<state dir>/runs/<id>/`: where its inputs are mounted and what it writes.

In it: `views` (the mount point of the inputs), `out` (what the command sees as /pfs/out), `root` (the mount point
of its root directory, where /pfs does not exist), `enter.json` (for the process that sets all this up) and
`lock` (held while the run lasts). After a run that was committed nothing is left; after any other one `out` is.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from vfs.errors import Refused
from vfs.files.lock import FileLock
from vfs.files.private import private_dir
from vfs.files.translate import local_error
from vfs.workspace.removal import remove_tree

_OUTPUT_MODE = 0o755


class RunPlace:
    """One run's directory. Made by `create`; locked by this object until `release`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.id = directory.name
        self.views = directory / "views"
        self.out = directory / "out"
        self.root = directory / "root"
        self.enter = directory / "enter.json"
        self._lock = FileLock(directory / "lock", timeout=0)

    @classmethod
    def create(cls, state_dir: str) -> RunPlace:
        """A new place, locked; LocalIOError."""
        place = cls(private_dir(runs_dir(state_dir) / secrets.token_hex(8)))
        try:
            for directory in (place.views, place.root):
                directory.mkdir(mode=0o700)
            place.out.mkdir()
            # The umask of the caller is for what the command makes, not for the root of the tree.
            place.out.chmod(_OUTPUT_MODE)
        except OSError as error:
            raise local_error(place.directory, "made", error) from error
        if not place._lock.try_lock():
            raise Refused(f"{place.directory}: taken by another run")
        return place

    def is_live(self) -> bool:
        """True while the run of this place lasts."""
        if self._lock.held or not self._lock.try_lock():
            return True
        self._lock.release()
        return False

    def keep(self) -> bool:
        """Leave what was written, and nothing else; False, and nothing is left, when nothing was written."""
        try:
            with os.scandir(self.out) as entries:
                written = next(entries, None) is not None
        except OSError as error:
            raise local_error(self.out, "listed", error) from error
        if not written:
            self.remove()
            return False
        for path in (self.views, self.root, self.enter):
            _drop(path)
        self.release()
        return True

    def remove(self) -> None:
        """Leave nothing."""
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


def _drop(path: Path) -> None:
    try:
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
    except OSError:
        # A mount that could not be taken away yet; what was written counts more than a tidy directory.
        return
