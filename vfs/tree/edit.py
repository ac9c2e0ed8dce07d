"""A changed tree from a tree and changes: untouched leaves are taken over by reference.

The work is proportional to the changes and to the number of index pages; an edit of one entry writes
one leaf and the pages above it, and where it is a name of a file of several, the leaves of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from operator import itemgetter
from typing import Literal, TypeAlias

import msgspec

from vfs.errors import NotADirectory, UsageError
from vfs.model.entry import Entry, Kind
from vfs.model.names import check_path, printable
from vfs.tree.index import Child
from vfs.tree.keys import below_range, key_of
from vfs.tree.pages import PageSink
from vfs.tree.tree import Tree
from vfs.tree.writer import Root, TreeWriter, ends_leaf

DIR_MODE = 0o755
# Above every key: a name has at most 255 bytes, and 0x00 or 0x01 follows it.
PAST_ALL = b"\xff" * 256


class Put(msgspec.Struct, frozen=True):
    """Add the entry, or replace what is at its path. A non-directory takes all below a directory away."""

    entry: Entry


class Remove(msgspec.Struct, frozen=True):
    """Remove the path and all below it; no error when it is not there."""

    path: bytes


Change: TypeAlias = Put | Remove


def edit(tree: Tree | None, sink: PageSink, changes: Iterable[Change], *, mtime_ns: int) -> Root:
    """The tree with `changes` made, in any order; removals happen before puts.

    Missing parent directories are made (mode 0755, mtime `mtime_ns`). Errors: NotADirectory for a put
    below something that is and stays no directory, InvalidName and NameTooLong for a path that is not one.
    """
    puts: dict[bytes, Entry] = {}
    removed: set[bytes] = set()
    for change in changes:
        if isinstance(change, Put):
            puts[check_path(change.entry.path)] = change.entry
        else:
            removed.add(change.path)
    _make_parents(tree, puts, removed, mtime_ns)
    return edit_sorted(tree, sink, _in_key_order(puts), removed=removed)


def _in_key_order(puts: dict[bytes, Entry]) -> Iterator[Entry]:
    keyed = sorted(((key_of(path), entry) for path, entry in puts.items()), key=itemgetter(0))
    return (entry for _, entry in keyed)


def _make_parents(tree: Tree | None, puts: dict[bytes, Entry], removed: set[bytes], mtime_ns: int) -> None:
    made = _Parents(tree, puts, removed)
    for path in [*puts, b""]:
        for parent in made.missing(path):
            puts[parent] = Entry(path=parent, kind=Kind.DIR, mode=DIR_MODE, mtime_ns=mtime_ns)


class _Parents:
    """Which directories above the puts are missing; each directory is looked at once."""

    def __init__(self, tree: Tree | None, puts: dict[bytes, Entry], removed: set[bytes]) -> None:
        self._tree = tree
        self._puts = puts
        self._removed = removed
        self._known: set[bytes] = set()

    def missing(self, path: bytes) -> Iterator[bytes]:
        """The directories from the parent of `path` upwards that have to be made (for b"": the root itself)."""
        while True:
            path = path.rpartition(b"/")[0]
            if path in self._known:
                return
            self._known.add(path)
            if not self._is_directory(path):
                yield path
            if not path:
                return

    def _is_directory(self, path: bytes) -> bool:
        entry = self._puts.get(path)
        if entry is None and self._tree is not None and not self._is_removed(path):
            entry = self._tree.find(path)
        if entry is not None and entry.kind is not Kind.DIR:
            raise NotADirectory(f"{printable(path)}: not a directory, so nothing can be put below it")
        return entry is not None

    def _is_removed(self, path: bytes) -> bool:
        while path:
            if path in self._removed:
                return True
            path = path.rpartition(b"/")[0]
        return b"" in self._removed


def edit_sorted(tree: Tree | None, sink: PageSink, puts: Iterable[Entry], *, removed: Iterable[bytes] = ()) -> Root:
    """As `edit`, for entries that come in key order with every parent there already: memory stays flat."""
    editor = _Editor(tree, sink, removed)
    for entry in puts:
        editor.put(entry)
    return editor.finish()


class _Editor:
    """Merges the rows of a base tree with entries in key order, a leaf at a time.

    Base keys with low <= key < high of some range are dropped. `_ranges` is a heap of the ranges that
    begin above the keys seen so far; `_dropped_to` is the highest end of those that began.
    """

    def __init__(self, tree: Tree | None, sink: PageSink, removed: Iterable[bytes]) -> None:
        self._writer = TreeWriter(sink, tree)
        self._tree = tree
        self._base = tree.leaf_refs() if tree else iter(())
        self._next_leaf: tuple[int, Child] | None = next(self._base, None)
        self._floor = b""
        self._rows: list[tuple[bytes, Entry]] = []
        self._ranges: list[tuple[bytes, bytes]] = []
        self._dropped_to = b""
        self._last = b""
        for path in removed:
            self._drop(path)

    def _drop(self, path: bytes) -> None:
        key = key_of(path)
        heappush(self._ranges, (key, key + b"\0"))
        self._drop_below(path)

    def _drop_below(self, path: bytes) -> None:
        low, high = below_range(path)
        heappush(self._ranges, (low + b"\0", high or PAST_ALL))

    def put(self, entry: Entry) -> None:
        """The next entry to add or replace."""
        key = key_of(entry.path)
        if key <= self._last:
            raise UsageError(f"{printable(entry.path)}: changes out of order")
        self._last = key
        self._copy_until(key)
        replaced = bool(self._rows) and self._rows[-1][0] == key
        if replaced:
            old = self._rows.pop()[1]
            if old.links is not None:
                self._writer.lose(old)
            if old.kind is Kind.DIR and entry.kind is not Kind.DIR:
                self._drop_below(entry.path)
        self._writer.add(entry)

    def finish(self) -> Root:
        """Copy what is left of the base; the new root."""
        self._copy_rows(None)
        while self._next_leaf is not None:
            self._take_leaf(None)
            self._copy_rows(None)
        return self._writer.finish()

    def _copy_until(self, key: bytes) -> None:
        """Write all base rows below `key`; a row of just that key is left as the next one."""
        self._copy_rows(key)
        while not self._rows and self._next_leaf is not None:
            self._take_leaf(key)
            self._copy_rows(key)

    def _copy_rows(self, key: bytes | None) -> None:
        # The rows are kept in reverse, so that the next one is the cheap end of the list.
        while self._rows and (key is None or self._rows[-1][0] < key):
            row_key, entry = self._rows.pop()
            if not self._is_dropped(row_key):
                self._writer.add(entry, kept=True)
            else:
                self._writer.lose(entry)
        if self._rows and key is not None and self._rows[-1][0] == key and self._is_dropped(key):
            self._writer.lose(self._rows.pop()[1])

    def _take_leaf(self, key: bytes | None) -> None:
        """The next base leaf: taken over whole, dropped whole, or opened into rows."""
        assert self._next_leaf is not None and self._tree is not None
        child = self._next_leaf[1]
        floor, self._floor = self._floor, child.last
        self._next_leaf = next(self._base, None)
        fate = self._fate(floor, child.last)
        if fate == "drop":
            self._lose(child)
            return
        before_key = key is None or child.last < key
        if fate == "keep" and before_key and self._writer.at_boundary and ends_leaf(child.last, child.entries):
            self._writer.add_leaf(child)
            return
        leaf = self._tree.pages.leaf(child)
        self._rows = [(leaf.key(i), leaf.entry(i)) for i in range(leaf.count - 1, -1, -1)]

    def _lose(self, child: Child) -> None:
        """A leaf is dropped: who is linked with a name in it has to know."""
        if child.linked:
            assert self._tree is not None
            leaf = self._tree.pages.leaf(child)
            for position in leaf.linked_positions(0, leaf.count):
                self._writer.lose(leaf.entry(position))

    def _fate(self, floor: bytes, last: bytes) -> Literal["keep", "drop", "mixed"]:
        """What the dropped ranges leave of the keys above `floor` up to `last`."""
        first = floor + b"\0"
        self._enter_ranges(first)
        if last < self._dropped_to:
            return "drop"
        reached = first < self._dropped_to or (bool(self._ranges) and self._ranges[0][0] <= last)
        return "mixed" if reached else "keep"

    def _is_dropped(self, key: bytes) -> bool:
        self._enter_ranges(key)
        return key < self._dropped_to

    def _enter_ranges(self, key: bytes) -> None:
        # Keys only grow, so of all ranges begun so far only the one that ends last matters.
        while self._ranges and self._ranges[0][0] <= key:
            self._dropped_to = max(self._dropped_to, heappop(self._ranges)[1])
