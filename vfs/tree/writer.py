"""Writes a tree bottom-up from entries in key order, and decides where pages end.

A leaf ends after a key whose xxh3_64 has nine zero bits at its end, but holds at least 64 and at most
4,096 entries (512 on average). An index page ends by the same rule on the last key of a child, seeded
with its level (16 to 1,024 children, 256 on average). So the cuts depend on the set of keys alone, and
any history that leads to the same entries gives the same pages.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import xxhash

from vfs.errors import UsageError
from vfs.model.entry import BlobRef, Entry, Kind
from vfs.model.names import printable
from vfs.tree.index import INDEX_MAX, Child, encode_index
from vfs.tree.keys import key_of
from vfs.tree.layout import LEAF_MAX, encode_leaf
from vfs.tree.pages import PageSink

LEAF_MIN, LEAF_MASK = 64, 511
INDEX_MIN, INDEX_MASK = 16, 255


class Root(msgspec.Struct, frozen=True):
    """A finished tree: its root page and its totals (all names, bytes of file content)."""

    ref: BlobRef
    entries: int
    size: int


def ends_leaf(last: bytes, count: int) -> bool:
    """True when a leaf of `count` entries ends after the key `last`, whatever follows."""
    return count >= LEAF_MAX or (count >= LEAF_MIN and not xxhash.xxh3_64_intdigest(last) & LEAF_MASK)


def _ends_index(child: Child, count: int) -> bool:
    if count >= INDEX_MAX:
        return True
    return count >= INDEX_MIN and not xxhash.xxh3_64_intdigest(child.last, child.level + 1) & INDEX_MASK


class TreeWriter:
    """Takes entries in key order; keeps one open leaf in memory, and a line for each that is closed.

    Index pages are written when all leaves are, so that they lie together: whoever fetches the root from afar
    has them all at once.
    """

    def __init__(self, sink: PageSink) -> None:
        self._sink = sink
        self._entries: list[Entry] = []
        self._last = b""
        self._leaves: list[Child] = []

    @property
    def at_boundary(self) -> bool:
        """True when the next entry starts a new leaf."""
        return not self._entries

    def add(self, entry: Entry) -> None:
        """The next entry; UsageError when its key is not above the one before."""
        key = key_of(entry.path)
        if key <= self._last:
            raise UsageError(f"{printable(entry.path)}: entries out of order")
        self._last = key
        self._entries.append(entry)
        if ends_leaf(key, len(self._entries)):
            self._close_leaf()

    def add_leaf(self, child: Child) -> None:
        """The next leaf, taken over as it is. Only at a boundary, and only a leaf that ends by the rule."""
        if self._entries or child.level or not ends_leaf(child.last, child.entries) or child.ref.is_hole:
            raise UsageError(f"{printable(child.last)}: not a leaf that can be taken over here")
        self._last = child.last
        self._leaves.append(child)

    def finish(self) -> Root:
        """Close all pages; the root."""
        if self._entries:
            self._close_leaf()
        if not self._leaves:
            raise UsageError("tree: a tree without entries, not even a root")
        row = self._leaves
        while len(row) > 1:
            row = [self._index(children) for children in _cut(row)]
        return Root(row[0].ref, row[0].entries, row[0].size)

    def _close_leaf(self) -> None:
        entries, self._entries = self._entries, []
        ref = self._sink.put_page(*encode_leaf(entries))
        sizes = [entry.size for entry in entries if entry.kind is Kind.FILE]
        self._leaves.append(Child(0, self._last, ref, len(entries), len(sizes), sum(sizes)))

    def _index(self, children: list[Child]) -> Child:
        ref = self._sink.put_page(*encode_index(children))
        totals = [sum(column) for column in zip(*((c.entries, c.files, c.size) for c in children), strict=True)]
        return Child(children[0].level + 1, children[-1].last, ref, *totals)


def _cut(row: list[Child]) -> Iterator[list[Child]]:
    """The children of one level, by the index page that holds them."""
    page: list[Child] = []
    for child in row:
        page.append(child)
        if _ends_index(child, len(page)):
            yield page
            page = []
    if page:
        yield page
