"""Listings go on: the page that comes next is fetched, and made ready, while the kernel takes in the last names."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import trio

from vfsd.threads import Threads

A = TypeVar("A")

# Names made ready ahead of a listing: more than the 64 KiB that the kernel asks for at once hold.
AHEAD = 600
# Pages under way at one time, and pages kept that nobody has taken yet: some 300 bytes a name.
COMING_MAX = 4
KEPT = 8


@dataclass(frozen=True, slots=True)
class Page(Generic[A]):
    """Lines of a listing, ready to be sent: (name, attributes, cookie). `end` is where it goes on, None if nowhere."""

    lines: list[tuple[bytes, A, int]]
    end: int | None

    def __len__(self) -> int:
        return len(self.lines)


class Paged(Protocol):
    """Lines of a listing, in whatever form they are sent. `end` is where it goes on, None if nowhere."""

    def __len__(self) -> int:
        """How many."""

    @property
    def end(self) -> int | None:
        """The cookie of the line before the next page."""


P = TypeVar("P", bound=Paged)


class Onward(Generic[P]):
    """Pages by directory and cookie, for listings of commits, which never change. Belongs to the event loop.

    `make(inode, cookie)` makes a page, and is called in a thread that may wait.
    """

    def __init__(self, make: Callable[[int, int], P], threads: Threads, *, deadline: float) -> None:
        self._make = make
        self._threads = threads
        self._deadline = deadline
        self._coming: dict[tuple[int, int], trio.Event] = {}
        self._there: OrderedDict[tuple[int, int], P] = OrderedDict()

    def fetch(self, inode: int, cookie: int | None, names: int = AHEAD) -> None:
        """Have the next `names` names of `inode` from `cookie` on made ready; never waits."""
        while cookie is not None and names > 0:
            page = self._there.get((inode, cookie))
            if page is None:
                self._start(inode, cookie, names)
                return
            names, cookie = names - len(page), page.end

    async def take(self, inode: int, cookie: int) -> P | None:
        """The page from `cookie` on if it is ready or on its way, which then is waited for; else None at once."""
        coming = self._coming.get((inode, cookie))
        if coming is not None:
            await coming.wait()
        return self._there.pop((inode, cookie), None)

    def _start(self, inode: int, cookie: int, names: int) -> None:
        if len(self._coming) < COMING_MAX and (inode, cookie) not in self._coming:
            self._coming[inode, cookie] = trio.Event()
            trio.lowlevel.spawn_system_task(self._fetch, inode, cookie, names)

    async def _fetch(self, inode: int, cookie: int, names: int) -> None:
        try:
            # Whoever reads on meets the same trouble, and is told.
            with contextlib.suppress(Exception):
                page = await self._threads.run(self._make, self._deadline, inode, cookie)
                self._there[inode, cookie] = page
                self.fetch(inode, page.end, names - len(page))
        finally:
            self._coming.pop((inode, cookie)).set()
        if len(self._there) > KEPT:
            self._there.popitem(last=False)
