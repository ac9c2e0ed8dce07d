"""Who owns which inode number of a mount: tree numbers and the numbers of made-up names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

from vfs.errors import PathNotFound, Refused
from vfsd.node import NAMED, ROOT, ROW_BITS, TREES_MAX, Part


class Space:
    """Inode numbers of one mount. A number once given keeps its meaning: the kernel may remember it for ever.

    `_lock` guards the tables, which only grow: by one line for each name that was ever shown.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trees: list[Part] = []
        self._named: dict[int, Part] = {}
        self._known: dict[Hashable, Part] = {}

    def set_root(self, part: Part) -> None:
        """Make `part` what is mounted."""
        self._named[ROOT] = part

    def named(self, key: Hashable, make: Callable[[int], Part]) -> Part:
        """The part known as `key`, made by `make(inode)` when it is new."""
        with self._lock:
            part = self._known.get(key)
            if part is None:
                inode = NAMED + len(self._known)
                part = self._known[key] = self._named[inode] = make(inode)
            return part

    def number(self, tree: Part) -> int:
        """A tree number for `tree`; Refused when the mount has used all 32,768."""
        with self._lock:
            if len(self._trees) >= TREES_MAX:
                raise Refused(f"mount: {TREES_MAX} commits were opened in it, which is all it can number; mount again")
            self._trees.append(tree)
            return len(self._trees) - 1

    def part(self, inode: int) -> Part:
        """The part that `inode` belongs to; PathNotFound for a number that was never given."""
        part = self._named.get(inode)
        if part is not None:
            return part
        number = inode >> ROW_BITS
        if number >= len(self._trees):
            raise PathNotFound(f"inode {inode}: not of this mount")
        return self._trees[number]
