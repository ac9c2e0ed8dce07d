"""Listings go on: the page that comes next is fetched while the kernel takes in the names of the last."""

from __future__ import annotations

import contextlib

import trio

from vfsd.filesystem import FileSystem
from vfsd.patience import WouldWait
from vfsd.threads import Threads

# Listings that are fetched ahead at one time; those beyond wait for their pages as they reach them.
COMING_MAX = 4


class Onward:
    """What is on its way for listings, by directory and cookie. Belongs to the event loop."""

    def __init__(self, files: FileSystem, threads: Threads, *, deadline: float) -> None:
        self._files = files
        self._threads = threads
        self._deadline = deadline
        self._coming: dict[tuple[int, int], trio.Event] = {}

    def fetch(self, inode: int, cookie: int) -> None:
        """Have the names of `inode` from `cookie` on brought into memory, unless they are there; never waits."""
        if len(self._coming) >= COMING_MAX or (inode, cookie) in self._coming:
            return
        try:
            self._files.listing(inode, cookie)
        except WouldWait:
            self._coming[inode, cookie] = trio.Event()
            trio.lowlevel.spawn_system_task(self._fetch, inode, cookie)
        except Exception:
            # Whoever reads on meets the same trouble, and is told.
            return

    async def arrival(self, inode: int, cookie: int) -> None:
        """Return when what is on its way for that place of a listing is there, or has failed; else at once."""
        coming = self._coming.get((inode, cookie))
        if coming is not None:
            await coming.wait()

    async def _fetch(self, inode: int, cookie: int) -> None:
        try:
            with contextlib.suppress(Exception):
                await self._threads.run(self._files.listing, self._deadline, inode, cookie)
        finally:
            self._coming.pop((inode, cookie)).set()
