"""Reading ahead in a mount: from what programs read to what is fetched, and pushed, before they ask."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial

import trio

from vfs.content.blobs import Blobs
from vfs.content.limits import CHUNK_MAX
from vfs.content.prefetch.prefetcher import Prefetcher, Then
from vfs.errors import VfsError
from vfs.model.entry import BlobRef
from vfs.tree.neighbours import Found, Neighbours, Wanted, gather, nothing
from vfsd.filesystem import FileSystem
from vfsd.mounted import MountedTree, cookie_after
from vfsd.names_ahead import NamesAhead
from vfsd.patience import WouldWait
from vfsd.push import Pusher

# Of the files fetched for a reader in order, the first beyond this share of the rows is not pushed: when it is
# asked for, the reader has come that far. So is the last.
TRIPWIRE = 0.55


class Ahead:
    """The guesses of one mount. Belongs to the event loop, and never waits.

    Inside a large file its reads are followed; small files are followed in the order of the tree, per tree.
    """

    def __init__(
        self, files: FileSystem, prefetcher: Prefetcher, blobs: Blobs, pusher: Pusher, names: NamesAhead
    ) -> None:
        self._files = files
        self._names = names
        self._prefetcher = prefetcher
        self._blobs = blobs
        self._pusher = pusher
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
            self._prefetcher.submit(partial(self._gather, part, neighbours, wanted))

    def _gather(self, part: MountedTree, neighbours: Neighbours, wanted: Wanted) -> None:
        found = nothing(wanted)
        try:
            found = gather(part.tree, wanted)
        finally:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(neighbours.fetched, wanted, found.end, found.size)
        self._prefetcher.fetch(list(dict.fromkeys(found.refs)), self._push_what(part, wanted, found))

    def _push_what(self, part: MountedTree, wanted: Wanted, found: Found) -> Then:
        """What to do with the chunks of `found` once they are there."""
        kept = _tripwires(wanted, found)
        inodes: dict[BlobRef, list[int]] = {}
        for row, ref in found.files:
            if row not in kept:
                inodes.setdefault(ref, []).append(part.inode(row))
        return partial(self._push, inodes)

    def _push(self, inodes: dict[BlobRef, list[int]], refs: Sequence[BlobRef]) -> None:
        with contextlib.suppress(VfsError):
            there = [ref for ref in refs if ref in inodes]
            chunks = zip(there, self._blobs.get_many(there), strict=True)
            self._pusher.push([(inode, chunk) for ref, chunk in chunks for inode in inodes[ref]])


def _tripwires(wanted: Wanted, found: Found) -> set[int]:
    """The rows of the files that are left for their reader to ask for."""
    if not found.files:
        return set()
    line = wanted.row + int(TRIPWIRE * (found.end - wanted.row))
    return {next((row for row, _ in found.files if row >= line), found.files[-1][0]), found.files[-1][0]}
