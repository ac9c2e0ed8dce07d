"""One commit's tree: look-up by path and by row, listing, totals."""

from __future__ import annotations

import weakref
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

import msgspec

from vfs.errors import Corrupt, PathNotFound
from vfs.model.entry import BlobRef, Entry, Kind
from vfs.model.names import printable
from vfs.tree.index import Child, Index
from vfs.tree.keys import ROOT_KEY, below_range, children_range, escape, key_of
from vfs.tree.leaf import Leaf
from vfs.tree.pages import Pages, PageSource


class Totals(msgspec.Struct, frozen=True):
    """How much lies at and below a path: names, regular files among them, bytes of their content."""

    entries: int
    files: int
    size: int


class Run(msgspec.Struct, frozen=True, gc=False):
    """Children of a directory in one leaf, at its positions from `start` to before `end`; `row` is the first."""

    leaf: Leaf
    row: int
    start: int
    end: int


class Tree:
    """A tree that never changes. Rows number its entries in key order; the root is row 0.

    Safe to use from several threads. Pages come from `source` when first touched; `pages` may be
    shared between trees of one store. Errors: Corrupt and those of the source.
    """

    def __init__(self, source: PageSource, root: BlobRef, *, pages: Pages | None = None) -> None:
        self.pages = pages or Pages(source)
        self.root_ref = root
        self._top: Child | None = None
        # Where `run` was last: rows are asked for one after another. Does not keep the leaf from being forgotten.
        self._near: tuple[int, Callable[[], Leaf | None]] = (0, lambda: None)

    @property
    def top(self) -> Child:
        """The root page, described as a parent would."""
        if self._top is None:
            page = self.pages.get(self.root_ref)
            if isinstance(page, Leaf):
                self._top = Child(0, page.last, self.root_ref, page.count, page.files, page.size, page.linked)
            else:
                totals = (page.entries, page.files, page.size, page.linked)
                self._top = Child(page.level, page.last[-1], self.root_ref, *totals)
        return self._top

    @property
    def entries(self) -> int:
        """All names in the tree, the root among them."""
        return self.top.entries

    @property
    def size(self) -> int:
        """Bytes of content of all files."""
        return self.top.size

    def get(self, path: bytes) -> Entry:
        """The entry at `path`; PathNotFound when there is none."""
        entry = self.find(path)
        if entry is None:
            raise PathNotFound(f"{printable(path)}: no such path")
        return entry

    def find(self, path: bytes) -> Entry | None:
        """The entry at `path`, or None."""
        found = self.locate(path)
        return found[1] if found else None

    def locate(self, path: bytes) -> tuple[int, Entry] | None:
        """(row, entry) of `path`, or None."""
        key = key_of(path)
        found = self._leaf_for(key)
        if found is None:
            return None
        start, leaf = found
        parent, _, name = key.partition(b"\0")
        position = leaf.find(parent, name)
        return None if position is None else (start + position, leaf.entry(position))

    def entry_at(self, row: int) -> Entry:
        """The entry of `row`; PathNotFound when there are not that many."""
        start, leaf = self.run(row)
        return leaf.entry(row - start)

    def file_names(self, rows: Sequence[int]) -> Iterator[tuple[bytes, bytes]]:
        """(path, digest) of the regular files of `rows`, which rise; PathNotFound as `entry_at`."""
        done = 0
        while done < len(rows):
            first, leaf = self.run(rows[done])
            end = bisect_left(rows, first + leaf.count, done)
            yield from leaf.file_names(row - first for row in rows[done:end])
            done = end

    def run(self, row: int) -> tuple[int, Leaf]:
        """(first row, leaf) of the leaf that holds `row`, for callers that walk rows; PathNotFound as `entry_at`."""
        near, known = self._near
        leaf = known()
        if leaf is not None and 0 <= row - near < leaf.count:
            return near, leaf
        if not 0 <= row < self.entries:
            raise PathNotFound(f"row {row}: the tree has {self.entries} entries")
        child, start = self.top, 0
        while child.level:
            index = self.pages.index(child)
            position = index.for_row(row - start)
            start += index.starts[position]
            child = index.child(position)
        leaf = self.pages.leaf(child)
        self._near = (start, weakref.ref(leaf))
        return start, leaf

    def children(self, path: bytes, *, after: bytes = b"") -> Iterator[tuple[int, Entry]]:
        """(row, entry) of what is in the directory `path`, in the order of names, after the name `after`."""
        low, high = children_range(path)
        for start, leaf in self.leaves(low + after):
            end = leaf.group(escape(path))[1]
            for position in range(leaf.first_above(low + after), end):
                yield start + position, leaf.entry(position)
            if leaf.last >= high:
                return

    def listing(self, path: bytes, row: int = 0) -> Run | None:
        """The next children of the directory `path`, from `row` on (0: from the first); None when there are no more."""
        if row >= self.entries:
            return None
        low, _ = children_range(path)
        found = self.run(row) if row else next(self.leaves(low), None)
        if found is None:
            return None
        start, leaf = found
        first, end = max(leaf.first_above(low), row - start), leaf.group(escape(path))[1]
        return Run(leaf, start + first, first, end) if first < end else None

    def rows(self, path: bytes = b"") -> Iterator[tuple[int, Entry]]:
        """(row, entry) of `path` and of all below it, in key order; nothing when there is no such path."""
        found = self.locate(path)
        if found is None:
            return
        yield found
        if found[1].kind is not Kind.DIR:
            return
        low, high = below_range(path)
        for start, leaf in self.leaves(low):
            end = leaf.count if high is None else leaf.first_above(high)
            for position in range(leaf.first_above(low), end):
                yield start + position, leaf.entry(position)
            if end < leaf.count:
                return

    def walk(self, path: bytes = b"") -> Iterator[Entry]:
        """The entries that `rows` gives."""
        return (entry for _, entry in self.rows(path))

    def totals(self, path: bytes = b"") -> Totals:
        """Totals at and below `path`, from index pages where a page lies wholly below it."""
        entry = self.get(path)
        own = (1, 1, entry.size) if entry.kind is Kind.FILE else (1, 0, 0)
        if not path:
            return Totals(self.top.entries, self.top.files, self.top.size)
        if entry.kind is not Kind.DIR:
            return Totals(*own)
        low, high = below_range(path)
        below = self._sum(self.top, ROOT_KEY, low, high or b"")
        return Totals(*(a + b for a, b in zip(own, below, strict=True)))

    def leaves(self, above: bytes = b"") -> Iterator[tuple[int, Leaf]]:
        """(first row, leaf) of the leaves that may hold keys greater than `above`, in order."""
        for start, child in self.leaf_refs(above):
            yield start, self.pages.leaf(child)

    def leaf_refs(self, above: bytes = b"") -> Iterator[tuple[int, Child]]:
        """(first row, description) of the leaves whose last key is greater than `above`."""
        return self._leaf_refs(0, self.top, above)

    def _leaf_refs(self, start: int, child: Child, above: bytes) -> Iterator[tuple[int, Child]]:
        if child.last <= above:
            return
        if not child.level:
            yield start, child
            return
        index = self.pages.index(child)
        for position in range(index.for_key(above), index.count):
            yield from self._leaf_refs(start + index.starts[position], index.child(position), above)

    def _leaf_for(self, key: bytes) -> tuple[int, Leaf] | None:
        child, start = self.top, 0
        while child.level:
            index = self.pages.index(child)
            position = index.for_key(key)
            if position == index.count:
                return None
            start += index.starts[position]
            child = index.child(position)
        return start, self.pages.leaf(child)

    def _sum(self, child: Child, before: bytes, low: bytes, high: bytes) -> tuple[int, int, int]:
        """(entries, files, size) of the keys k with low < k < high below `child`, whose keys are above `before`."""
        if child.last <= low or before >= high:
            return 0, 0, 0
        if before >= low and child.last < high:
            return child.entries, child.files, child.size
        if not child.level:
            leaf = self.pages.leaf(child)
            start, end = leaf.first_above(low), leaf.first_above(high)
            return (end - start, *leaf.total(start, end))
        return self._sum_index(self.pages.index(child), before, low, high)

    def _sum_index(self, index: Index, before: bytes, low: bytes, high: bytes) -> tuple[int, int, int]:
        total = (0, 0, 0)
        for position in range(index.for_key(low), index.count):
            if before >= high:
                break
            part = self._sum(index.child(position), before, low, high)
            total = (total[0] + part[0], total[1] + part[1], total[2] + part[2])
            before = index.last[position]
        return total


def check_root(tree: Tree) -> None:
    """Corrupt unless the first entry is the root directory."""
    entry = tree.entry_at(0)
    if entry.path or entry.kind is not Kind.DIR:
        raise Corrupt(f"tree page {tree.root_ref.digest.hex()}: the tree has no root directory")
