"""Reading ahead in a mount: from what programs read to what is fetched, and pushed, before they ask."""

from __future__ import annotations

import contextlib
from functools import partial

from vfs.content.limits import CHUNK_MAX
from vfs.content.prefetch.prefetcher import Prefetcher
from vfs.tree.neighbours import Neighbours
from vfs.tree.windows import Found, Wanted, directories, gather, nothing
from vfsd.again import Again
from vfsd.bring import TRIPWIRE, Bringer
from vfsd.filesystem import FileSystem
from vfsd.mounted import MountedTree, cookie_after
from vfsd.names_ahead import NamesAhead
from vfsd.patience import WouldWait


class Ahead:
    """The guesses of one mount. Belongs to the event loop, and never waits.

    Inside a large file its reads are followed; small files are followed in the order of an earlier run where there was
    one, else in the order of the tree, per tree.
    """

    def __init__(
        self, files: FileSystem, prefetcher: Prefetcher, bringer: Bringer, again: Again, names: NamesAhead
    ) -> None:
        self._files = files
        self._names = names
        self._prefetcher = prefetcher
        self._bringer = bringer
        self._again = again
        self._trees: dict[int, Neighbours] = {}

    def note(self, inode: int, offset: int, length: int, *, waited: bool) -> None:
        """A program read `length` bytes at `offset` of a file; `waited`: they are not in memory yet."""
        with contextlib.suppress(WouldWait):
            place = self._files.place(inode)
            if place is None:
                return
            part, row, entry = place
            if isinstance(entry.content, bytes):
                return  # it lies in the tree page, which is in memory
            if offset == 0 and not self._again.note(part, entry, waited=waited):
                self._note_file(part, row, entry.size, waited)
            if entry.size > CHUNK_MAX or len(entry.content.refs) > 1:
                self._prefetcher.note(inode, entry, offset, length, waited=waited)

    def looked_up(self, directory: int, child: int) -> None:
        """The kernel asked for a name of a directory by itself, and was given the inode `child`."""
        with contextlib.suppress(WouldWait):
            where = self._files.where(directory)
            if where is not None:
                self._names.looked_up(directory, where, cookie_after(child))

    def _note_file(self, part: MountedTree, row: int, size: int, waited: bool) -> None:
        neighbours = self._trees.get(part.top)
        if neighbours is None:
            neighbours = self._trees[part.top] = Neighbours()
        wanted = neighbours.note(row, size, waited=waited)
        if wanted is not None:
            self._bringer.submit(partial(self._gather, part, row, neighbours, wanted))

    def _gather(self, part: MountedTree, row: int, neighbours: Neighbours, wanted: Wanted) -> None:
        found = nothing(wanted)
        try:
            found = gather(part.tree, wanted)
        finally:
            self._bringer.tell(partial(neighbours.fetched, wanted, found.end, found.size))
        arrived = partial(neighbours.arrived, wanted)
        try:
            if self._names.looks_up(part.above(part.inode(row)).inode):
                self._list(part, wanted.row, found.end)
        except BaseException:
            self._bringer.tell(arrived)
            raise
        self._bringer.bring(part, found.refs, found.files, _tripwires(wanted, found), ended=arrived)

    def _list(self, part: MountedTree, start: int, end: int) -> None:
        """Let the kernel know the names of rows whose content it is about to get."""
        for path, last in directories(part.tree, start, end):
            found = part.tree.locate(path) if part.shows(path) else None
            if found is not None:
                directory = part.inode(found[0])
                self._names.needed(directory, part.where(directory), cookie_after(part.inode(last)))


def _tripwires(wanted: Wanted, found: Found) -> set[int]:
    """The rows of the files that are left for their reader to ask for."""
    if not found.files:
        return set()
    line = wanted.row + int(TRIPWIRE * (found.end - wanted.row))
    return {next((row for row, _ in found.files if row >= line), found.files[-1][0]), found.files[-1][0]}
