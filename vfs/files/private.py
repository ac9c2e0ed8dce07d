"""Directories that belong to one user and to nobody else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from vfs.errors import LocalDenied, LocalIOError
from vfs.files.translate import local_error

PRIVATE_MODE = 0o700


def private_dir(path: str | os.PathLike[str]) -> Path:
    """The directory `path`, made when absent, with mode 0700 and owned by this user.

    LocalDenied when it is a symlink or belongs to someone else, LocalIOError when it is no directory:
    another user may have prepared the name to get at our files.
    """
    directory = Path(path)
    try:
        os.makedirs(directory.parent, mode=0o755, exist_ok=True)
        _make(directory)
        _check(directory)
    except OSError as error:
        raise local_error(directory, "used as a private directory", error) from error
    return directory


def _make(directory: Path) -> None:
    try:
        os.mkdir(directory, PRIVATE_MODE)
    except FileExistsError:
        return


def _check(directory: Path) -> None:
    found = os.lstat(directory)
    if stat.S_ISLNK(found.st_mode):
        raise LocalDenied(f"{directory}: cannot be used as a private directory: it is a symlink")
    if not stat.S_ISDIR(found.st_mode):
        raise LocalIOError(f"{directory}: cannot be used as a private directory: it is not a directory")
    if found.st_uid != os.geteuid():
        raise LocalDenied(f"{directory}: cannot be used as a private directory: it belongs to user {found.st_uid}")
    if stat.S_IMODE(found.st_mode) != PRIVATE_MODE:
        os.chmod(directory, PRIVATE_MODE)
