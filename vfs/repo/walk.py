"""The files below a local directory, in the key order of trees, in memory that does not grow with their number.

Key order: the names in a directory, then everything below its first subdirectory, and so on. So the
walk holds the names of the directories on its way down, and never more than `OPEN_DEPTH` + 1 descriptors.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass

from vfs.errors import InvalidName
from vfs.files.translate import cause_of
from vfs.model.names import PATH_MAX
from vfs.repo.directory import Directory
from vfs.repo.guard import Guard
from vfs.repo.ignoring import NOTHING, Ignoring, Rules
from vfs.repo.notes import Notes

# A process has 1,024 descriptors as a rule; directories deeper than this are reopened on the way back.
OPEN_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Found:
    """One name met on the walk: where its entry goes in the tree, and how to reach it.

    `shown` is the local path for messages; `kind` is that of the name itself (`S_IFREG` and the like), 0 where
    it is not known yet.
    """

    at: bytes
    parent: Directory
    name: bytes
    shown: bytes
    kind: int


@dataclass(slots=True)
class _Frame:
    """A directory on the way down, with the subdirectories still to be entered, the next one last."""

    at: bytes
    shown: bytes
    name: bytes
    directory: Directory | None
    left: list[bytes]
    rules: Rules


class Walk:
    """Walks below directories; what cannot be read is put in `notes`, a guarded directory ends it with Refused.

    What `ignoring` keeps out is left out and counted; a directory that is, with all below it, counts as one.
    """

    def __init__(self, notes: Notes, guard: Guard, ignoring: Ignoring | None = None) -> None:
        self._notes = notes
        self._guard = guard
        self._ignoring = ignoring

    def below(self, top: Directory, *, at: bytes, shown: bytes) -> Iterator[Found]:
        """All that lies below `top`, which has the path `at` in the tree; not `top` itself."""
        frames: list[_Frame] = []
        yield from self._enter(frames, top, at=at, shown=shown, name=b"", above=NOTHING)
        while frames:
            frame = frames[-1]
            if not frame.left:
                frames.pop()
                continue
            name = frame.left.pop()
            path, local = _join(frame.at, name), _join(frame.shown, name)
            directory = self._open(frames, name, local)
            if directory is not None:
                yield from self._enter(frames, directory, at=path, shown=local, name=name, above=frame.rules)

    def _enter(
        self, frames: list[_Frame], directory: Directory, *, at: bytes, shown: bytes, name: bytes, above: Rules
    ) -> Iterator[Found]:
        try:
            self._guard.check(directory.identity(), shown)
            names = directory.names()
        except OSError as error:
            self._notes.fail(shown, f"cannot be listed: {cause_of(error)}")
            return
        left: list[bytes] = []
        rules = above
        if self._ignoring is not None:
            rules = self._ignoring.rules(above, directory, names, at=at, shown=shown)
        for found in self._list(directory, names, at=at, shown=shown):
            if self._is_left_out(rules, found):
                continue
            if found.kind == stat.S_IFDIR:
                left.append(found.name)
            yield found
        if left:
            left.reverse()
            if len(frames) > OPEN_DEPTH:
                frames[-1].directory = None
            frames.append(_Frame(at, shown, name, directory, left, rules))

    def _is_left_out(self, rules: Rules, found: Found) -> bool:
        if self._ignoring is None or rules == NOTHING:
            return False
        directory = found.kind == stat.S_IFDIR
        if not self._ignoring.leaves_out(rules, found.at, directory=directory):
            return False
        self._notes.count("ignored path", "left out, as .vfsignore says")
        return True

    def _list(
        self, directory: Directory, names: list[tuple[bytes, int]], *, at: bytes, shown: bytes
    ) -> Iterator[Found]:
        for name, kind in names:
            path, local = _join(at, name), _join(shown, name)
            if len(path) > PATH_MAX:
                self._notes.fail(local, f"its path in the tree has {len(path)} bytes, {PATH_MAX} allowed")
            else:
                yield Found(path, directory, name, local, kind)

    def _open(self, frames: list[_Frame], name: bytes, shown: bytes) -> Directory | None:
        try:
            return _reopened(frames).below([name])
        except OSError as error:
            self._notes.fail(shown, f"cannot be listed: {cause_of(error)}")
            return None


def _reopened(frames: list[_Frame]) -> Directory:
    """The directory of the last frame, reached again from the nearest one above that is open."""
    names: list[bytes] = []
    for frame in reversed(frames):
        if frame.directory is not None:
            directory = frame.directory.below(reversed(names))
            frames[-1].directory = directory
            return directory
        names.append(frame.name)
    raise InvalidName("walk: no directory to start from")


def _join(parent: bytes, name: bytes) -> bytes:
    return parent + b"/" + name if parent and not parent.endswith(b"/") else parent + name
