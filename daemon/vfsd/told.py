"""Opens by process and inode, told to the observer as files and directories of commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import structlog

from vfs.errors import VfsError
from vfs.journal.observe import Observer
from vfs.journal.processes import OWN
from vfs.metrics.counters import Counter
from vfsd.fanotify import DIRECTORY
from vfsd.filesystem import FileSystem
from vfsd.mounted import MountedTree
from vfsd.node import ROOT, ROW_BITS, ROW_MASK, TREES_MAX

UNKNOWN = "opened files that could not be looked up"

log = structlog.get_logger("vfsd")


class Told:
    """Looks files up and tells the observer of those that are new to it. Waits for the store. Used by one thread.

    Most opens are of files of one commit by one process: these are looked up together.
    """

    def __init__(self, files: FileSystem, observer: Observer, observed: Counter) -> None:
        """`observed` counts what was told."""
        self._files = files
        self._observer = observer
        self._observed = observed

    def tell(self, opens: Iterable[tuple[int, int]]) -> None:
        """Tell of (key of the process, inode as in `Opens`) in their order; what cannot be looked up is a gap."""
        groups: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for process, inode in dict.fromkeys(opens):
            groups[process, inode >> ROW_BITS].append(inode)
        for (process, number), inodes in groups.items():
            if process == OWN:
                continue
            files = [inode for inode in inodes if inode > ROOT] if number < TREES_MAX else []
            if not self._tell_files(process, files):
                self._tell_each(process, inodes)
            elif number == 0 and ROOT in inodes:
                self._tell_each(process, (ROOT,))

    def _tell_files(self, process: int, inodes: Sequence[int]) -> bool:
        """Tell of files of one tree; False when that is not possible of all of them."""
        try:
            part = self._files.tree_of(inodes[0]) if inodes else None
            if part is None:
                return False
            rows = self._observer.unread(process, part.repo, part.commit, [(inode & ROW_MASK) - 1 for inode in inodes])
            ordered = sorted(rows)
            found = dict(zip(ordered, part.tree.file_names(ordered), strict=True))
            others = _other_names(part, rows) if part.tree.top.linked else []
        except VfsError:
            return False
        files = [*((row, *found[row]) for row in rows), *others]
        self._observed.add(len(rows))
        self._observer.read_all(process, part.repo, part.commit, files)
        return True

    def _tell_each(self, process: int, inodes: Iterable[int]) -> None:
        """Tell of directories, and of what has an inode of its own."""
        for inode in inodes:
            try:
                self._tell_one(process, inode & ~DIRECTORY, directory=bool(inode & DIRECTORY))
            except VfsError as error:
                log.warning("an opened file could not be looked up", inode=inode, cause=str(error))
                self._observer.lose(1, UNKNOWN)

    def _tell_one(self, process: int, inode: int, *, directory: bool) -> None:
        if not inode:
            return
        file = self._files.listed(inode) if directory else self._files.opened(inode)
        if file is None or self._observer.knows(process, file.repo, file.commit, file.row):
            return
        self._observed.add()
        if directory:
            self._observer.listed(process, file.repo, file.commit, self._files.entry(inode).path, row=file.row)
            return
        for name, entry in self._files.names(inode):
            self._observer.read(process, name.repo, name.commit, entry.path, entry.digest, row=name.row)


def _other_names(part: MountedTree, rows: Iterable[int]) -> list[tuple[int, bytes, bytes]]:
    """(row, path, digest) of the names that the files of `rows` have besides."""
    names = ((row, name) for row in rows for name in part.names(part.inode(row)))
    return [(other, entry.path, entry.digest) for row, (other, entry) in names if other != row]
