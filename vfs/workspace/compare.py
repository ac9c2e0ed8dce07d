"""What differs between a writable mount and the commit last made from it.

Two commits are at work: the one *below* the mount, which shows through, and the *last* one made from the
layer. At first they are the same. A path can differ in two ways: the layer says something of it (`touched`),
or it says nothing any more of a path that the last commit took from it (`reverted`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum

import msgspec

from vfs.model.entry import Entry, Kind
from vfs.repo.notes import Notes
from vfs.tree.diff import diff
from vfs.tree.tree import Tree
from vfs.workspace.neighbours import Neighbours
from vfs.workspace.node import Node, special_name
from vfs.workspace.scan import Scan


class What(Enum):
    """How a path differs. The values are what lists show."""

    ADDED = "A"
    MODIFIED = "M"
    DELETED = "D"
    TYPE = "T"
    ATTRIBUTES = "P"
    # The two that a list for people has, and a commit has no use for: moved from elsewhere, kept out by `.vfsignore`.
    RENAMED = "R"
    IGNORED = "I"
    # Only the mtime of a directory: follows from changes in it, and is no change of its own.
    TIME = "-"
    # Nothing, but the file has other names, or had: whether that is a change shows when all names were met.
    LINKS = "="


class LayerChange(msgspec.Struct, frozen=True):
    """One path that differs. `old` is the entry of the last commit, `new` what the mount shows; None for nothing.

    A directory that is gone stands for all below it. MODIFIED: the content of a file or the target of a
    symlink; ATTRIBUTES: mode, mtime or xattrs alone; TYPE: another kind of entry. RENAMED: `old` has another path.
    """

    path: bytes
    what: What
    old: Entry | None
    new: Node | None


SameContent = Callable[[Node, Entry], bool]


class Comparison:
    """One scan against the last commit. `same_content` decides about a file of equal size in the upper layer.

    Sockets, fifos and devices count as nothing; `notes` counts them at each walk. Paths that `taken` tells of count
    as not there in the last commit any more.
    """

    def __init__(
        self, scan: Scan, last: Tree, same_content: SameContent, *, notes: Notes, taken: Callable[[bytes], bool]
    ) -> None:
        self._scan = scan
        self._last = last
        self._same_content = same_content
        self._notes = notes
        self._taken = taken
        self._old = Neighbours(last)

    def changes(self) -> Iterator[LayerChange]:
        """All changes; those the layer shows first, in key order but for removals, then those it shows no more."""
        yield from self.touched()
        yield from self.reverted()

    def tells_of(self, path: bytes) -> bool:
        """True when the layer says something of `path`, so that `touched` comes by there."""
        return self._scan.tells_of(path)

    def touched(self) -> Iterator[LayerChange]:
        """Changes at paths that the layer says something of: puts in key order, removals near their directory."""
        for seen in self._scan.walk():
            if seen.special:
                self._notes.count(special_name(seen.special), "skipped, a tree holds none")
            old = None if self._taken(seen.path) else self._old.find(seen.path)
            what = self.what(old, seen.node)
            if what is None and old is not None and seen.node is not None and (old.links or seen.node.links):
                what = What.LINKS
            if what is not None:
                yield LayerChange(seen.path, what, old, seen.node)
            if seen.replaced:
                yield from self._vanished(seen.path)

    def reverted(self) -> Iterator[LayerChange]:
        """Changes at paths where the last commit differs from the one below, and the layer is silent."""
        for difference in diff(self._scan.lower, self._last):
            path, old = difference.path, difference.new
            if self._scan.tells_of(path):
                continue
            new = self._scan.node(path)
            if new is not None and new.found is not None:
                # Made in this moment; the next walk comes by there.
                continue
            what = self.what(old, new)
            if what is not None and (new is not None or self._shows_directory_above(path)):
                yield LayerChange(path, what, old, new)

    def _vanished(self, path: bytes) -> Iterator[LayerChange]:
        """What the last commit has below a directory of the layer that shows nothing of it."""
        entry = self._last.find(path)
        if entry is None or entry.kind is not Kind.DIR:
            return
        for old in self._last.walk(path):
            if self._scan.node(old.path) is None and self._shows_directory_above(old.path):
                yield LayerChange(old.path, What.DELETED, old, None)

    def _shows_directory_above(self, path: bytes) -> bool:
        # A removal takes all below along, and so does a file in place of a directory.
        node = self._scan.node(path.rpartition(b"/")[0])
        return node is not None and node.kind is Kind.DIR

    def what(self, old: Entry | None, new: Node | None) -> What | None:
        """How what the mount shows differs from an entry of the last commit; None when it does not."""
        if old is None:
            return What.ADDED if new is not None else None
        if new is None:
            return What.DELETED
        if old.kind is not new.kind:
            return What.TYPE
        if old.size != new.size or old.target != new.target or not self._same(old, new):
            return What.MODIFIED
        if old.mode != new.mode or old.xattrs != new.xattrs:
            return What.ATTRIBUTES
        if old.mtime_ns == new.mtime_ns:
            return None
        return What.TIME if new.kind is Kind.DIR else What.ATTRIBUTES

    def _same(self, old: Entry, new: Node) -> bool:
        if new.kind is not Kind.FILE:
            return True
        if new.source is not None:
            return new.source.digest == old.digest
        return self._same_content(new, old)


def without_descriptors(change: LayerChange) -> LayerChange:
    """`change` to be kept: a node of the upper layer holds the descriptor of its directory, and a large status."""
    node = change.new
    if node is None or node.found is None:
        return change
    return msgspec.structs.replace(change, new=msgspec.structs.replace(node, found=None, status=None))
