"""Keeps a store, and what belongs to it on this machine, from being put into itself."""

from __future__ import annotations

import os

from vfs.errors import Refused
from vfs.files.paths import real_path
from vfs.model.names import printable
from vfs.repo.library import Library
from vfs.store.url import FileURL, parse_url


class Guard:
    """The directories that must not be read in: by path, and by device and inode for bind mounts."""

    def __init__(self, places: dict[str, bytes]) -> None:
        """`places`: what each directory is, and its path."""
        self._paths = {os.path.realpath(path): what for what, path in places.items()}
        self._identities: dict[tuple[int, int], str] = {}
        for path, what in self._paths.items():
            try:
                found = os.stat(path)
            except OSError:
                continue
            self._identities[found.st_dev, found.st_ino] = what

    def check_source(self, path: bytes, *, itself: bool) -> None:
        """Refused when `path` holds, is or lies in a guarded directory; `itself`: a symlink stands for itself."""
        if itself and os.path.islink(path):
            return
        real = real_path(path)
        for guarded, what in self._paths.items():
            if _contains(real, guarded):
                raise Refused(f"{printable(path)}: holds {what}, {printable(guarded)}; it cannot be put into itself")
            if _contains(guarded, real):
                raise Refused(f"{printable(path)}: lies in {what}, which cannot be put into itself")

    def check(self, identity: tuple[int, int], path: bytes) -> None:
        """Refused when the directory with this (device, inode), met as `path`, is a guarded one."""
        what = self._identities.get(identity)
        if what is not None:
            raise Refused(f"{printable(path)}: is {what}, which cannot be put into itself")


def guard_of(library: Library) -> Guard:
    """The guard of the store of a library, its state and its cache."""
    places = {
        "the state directory": os.fsencode(library.settings.state_dir),
        "the cache directory": os.fsencode(library.settings.cache_dir),
    }
    url = parse_url(library.settings.store)
    if isinstance(url, FileURL):
        places["the store"] = os.fsencode(url.path)
    return Guard(places)


def _contains(outer: bytes, inner: bytes) -> bool:
    return inner == outer or inner.startswith(outer.rstrip(b"/") + b"/")
