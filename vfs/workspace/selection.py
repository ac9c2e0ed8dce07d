"""Which changes a commit takes: all, or those that patterns on the command line choose."""

from __future__ import annotations

from collections.abc import Sequence

from vfs.repo.patterns import Patterns


class Selection:
    """Patterns relative to the root of the mount. A path is taken when one of `include` matches it or a directory
    above it (or there are none) and `exclude` does not; `ignoring` says whether `.vfsignore` counts.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = (), *, ignoring: bool = True) -> None:
        """UsageError for what is no pattern."""
        self.ignoring = ignoring
        self._include = Patterns(include, where="--include") if include else None
        self._exclude = Patterns(exclude, where="--exclude") if exclude else None

    @property
    def takes_all(self) -> bool:
        """True when no pattern leaves anything out."""
        return self._include is None and self._exclude is None

    def takes(self, path: bytes, *, directory: bool) -> bool:
        """True when the patterns choose `path`; the root is chosen where nothing has to be included."""
        if not path:
            return self._include is None
        if self._include is not None and not self._include.says(path, directory=directory):
            return False
        return self._exclude is None or not self._exclude.says(path, directory=directory)
