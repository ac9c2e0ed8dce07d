"""From what was guessed to the kernel's page cache: chunks are fetched, and whole small files of them pushed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial

import trio

from vfs.content.blobs import Blobs
from vfs.content.prefetch.prefetcher import Prefetcher, Then
from vfs.errors import VfsError
from vfs.model.entry import BlobRef
from vfsd.mounted import MountedTree
from vfsd.push import Pusher

# Of the files fetched for a reader in order, the first beyond this share of them is not pushed: when it is
# asked for, the reader has come that far, and the next window is fetched while it reads the rest. So is the last.
TRIPWIRE = 0.2


class Bringer:
    """What all guesses about small files share. Made in the event loop; nothing here waits for the store."""

    def __init__(self, prefetcher: Prefetcher, blobs: Blobs, pusher: Pusher) -> None:
        self._prefetcher = prefetcher
        self._blobs = blobs
        self._pusher = pusher
        self._token = trio.lowlevel.current_trio_token()

    def submit(self, work: Callable[[], None]) -> None:
        """Let a thread do what may wait: find out what to fetch."""
        self._prefetcher.submit(work)

    def tell(self, told: Callable[[], object]) -> None:
        """Have the event loop call `told` soon; by any thread."""
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(told)

    def bring(
        self,
        part: MountedTree,
        refs: Sequence[BlobRef],
        files: Sequence[tuple[int, BlobRef]],
        kept: set[int],
        *,
        ended: Callable[[], object] | None = None,
    ) -> None:
        """Fetch `refs`, and push the `files` by row that are among them, but for the rows `kept`.

        The event loop calls `ended` once none of them is on its way any more.
        """
        inodes: dict[BlobRef, list[int]] = {}
        for row, ref in files:
            if row not in kept:
                inodes.setdefault(ref, []).append(part.inode(row))
        then: Then = partial(self._push, inodes)
        told = None if ended is None else partial(self.tell, ended)
        self._prefetcher.fetch(list(dict.fromkeys(refs)), then, ended=told)

    def _push(self, inodes: dict[BlobRef, list[int]], refs: Sequence[BlobRef]) -> None:
        with contextlib.suppress(VfsError):
            there = [ref for ref in refs if ref in inodes]
            chunks = zip(there, self._blobs.get_many(there), strict=True)
            self._pusher.push([(inode, chunk) for ref, chunk in chunks for inode in inodes[ref]])
