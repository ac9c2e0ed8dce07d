"""The children of a directory as they are listed: by column, as they lie in a page of the tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import overload

from vfs.tree.tree import Run
from vfsd.node import Listed, Node
from vfsd.shim import Listing


class Lines(Sequence[Listed]):
    """Consecutive lines of a listing, none of which is made before somebody asks for it.

    Inodes and cookies count up from `inode` and `cookie`; names and attributes hold for ever. Files of several names
    are as in `links`, by place.
    """

    def __init__(self, run: Run, *, inode: int, cookie: int, links: Mapping[int, Node]) -> None:
        self._run = run
        self._inode = inode
        self._cookie = cookie
        self._links = links

    def __len__(self) -> int:
        return self._run.end - self._run.start

    @overload
    def __getitem__(self, index: int) -> Listed: ...

    @overload
    def __getitem__(self, index: slice) -> list[Listed]: ...

    def __getitem__(self, index: int | slice) -> Listed | list[Listed]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        place = range(len(self))[index]
        entry = self._run.leaf.entry(self._run.start + place)
        node = self._links.get(place) or Node(self._inode + place, entry)
        return Listed(entry.name, node, self._cookie + place)

    @property
    def end(self) -> int | None:
        """The cookie of the last line if the next page may hold more of the directory, else None."""
        return self._cookie + len(self) - 1 if self._run.end == self._run.leaf.count else None

    @property
    def counts(self) -> dict[int, int]:
        """By place, how many names a file has where it is more than one."""
        found = ((place, node.entry.links) for place, node in self._links.items())
        return {place: links.count for place, links in found if links is not None}

    def listing(self) -> Listing:
        """The lines by column. Not for files of several names, whose inodes do not count up."""
        found = self._run.leaf.attributes(self._run.start, self._run.end)
        return Listing(self._inode, self._cookie, found.names, found.modes, found.sizes, found.occupied, found.mtimes)

    def columns(self) -> Iterator[tuple[int, bytes, int, int, int, int, int]]:
        """(cookie, name, inode, type and permission bits, size, bytes without holes, mtime in ns) of each line."""
        found = self._run.leaf.attributes(self._run.start, self._run.end)
        cookies = range(self._cookie, self._cookie + len(self))
        inodes: Sequence[int] = range(self._inode, self._inode + len(self))
        if self._links:
            inodes = list(inodes)
            for place, node in self._links.items():
                inodes[place] = node.inode
        return zip(cookies, found.names, inodes, found.modes, found.sizes, found.occupied, found.mtimes, strict=True)
