"""Reading ahead in a mount: from what programs read to what is fetched before they ask."""

from __future__ import annotations

import contextlib
from functools import partial

import trio

from vfs.content.limits import CHUNK_MAX
from vfs.content.prefetch.prefetcher import Prefetcher
from vfs.tree.neighbours import Neighbours, Wanted, gather
from vfsd.filesystem import FileSystem
from vfsd.mounted import MountedTree
from vfsd.patience import WouldWait


class Ahead:
    """The guesses of one mount. Belongs to the event loop, and never waits.

    Inside a large file its reads are followed; small files are followed in the order of the tree, per tree.
    """

    def __init__(self, files: FileSystem, prefetcher: Prefetcher) -> None:
        self._files = files
        self._prefetcher = prefetcher
        self._trees: dict[int, Neighbours] = {}
        self._token = trio.lowlevel.current_trio_token()

    def note(self, inode: int, offset: int, length: int, *, waited: bool) -> None:
        """A program read `length` bytes at `offset` of a file; `waited`: they are not in memory yet."""
        with contextlib.suppress(WouldWait):
            place = self._files.place(inode)
            if place is None:
                return
            part, row, entry = place
            if isinstance(entry.content, bytes):
                return  # it lies in the tree page, which is in memory
            if offset == 0:
                self._note_file(part, row, entry.size, waited)
            if entry.size > CHUNK_MAX or len(entry.content.refs) > 1:
                self._prefetcher.note(inode, entry, offset, length, waited=waited)

    def _note_file(self, part: MountedTree, row: int, size: int, waited: bool) -> None:
        neighbours = self._trees.get(part.top)
        if neighbours is None:
            neighbours = self._trees[part.top] = Neighbours()
        wanted = neighbours.note(row, size, waited=waited)
        if wanted is not None:
            self._prefetcher.submit(partial(self._gather, part, neighbours, wanted))

    def _gather(self, part: MountedTree, neighbours: Neighbours, wanted: Wanted) -> None:
        refs, end, size = gather(part.tree, wanted)
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(neighbours.fetched, wanted, end, size)
        self._prefetcher.fetch(refs)
