"""Writes a tree bottom-up from entries in key order, and decides where pages end.

A leaf ends after a key whose xxh3_64 has nine zero bits at its end, but holds at least 64 and at most
4,096 entries (512 on average). An index page ends by the same rule on the last key of a child, seeded
with its level (16 to 1,024 children, 256 on average). So the cuts depend on the set of keys alone, and
any history that leads to the same entries gives the same pages.
"""

from __future__ import annotations

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
    """Takes entries in key order, keeps at most one open page per level in memory."""

    def __init__(self, sink: PageSink) -> None:
        self._sink = sink
        self._entries: list[Entry] = []
        self._last = b""
        self._open: list[list[Child]] = []
        self._closed: list[int] = []

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
        self._add_child(child)

    def finish(self) -> Root:
        """Close all pages; the root."""
        if self._entries:
            self._close_leaf()
        if not self._open:
            raise UsageError("tree: a tree without entries, not even a root")
        level = 0
        while self._closed[level] or len(self._open[level]) > 1:
            if self._open[level]:
                self._close_index(level)
            level += 1
        top = self._open[level][0]
        return Root(top.ref, top.entries, top.size)

    def _close_leaf(self) -> None:
        entries, self._entries = self._entries, []
        ref = self._sink.put_page(*encode_leaf(entries))
        sizes = [entry.size for entry in entries if entry.kind is Kind.FILE]
        self._add_child(Child(0, self._last, ref, len(entries), len(sizes), sum(sizes)))

    def _add_child(self, child: Child) -> None:
        if len(self._open) == child.level:
            self._open.append([])
            self._closed.append(0)
        row = self._open[child.level]
        row.append(child)
        if _ends_index(child, len(row)):
            self._close_index(child.level)

    def _close_index(self, level: int) -> None:
        row, self._open[level] = self._open[level], []
        self._closed[level] += 1
        ref = self._sink.put_page(*encode_index(row))
        totals = [sum(column) for column in zip(*((c.entries, c.files, c.size) for c in row), strict=True)]
        self._add_child(Child(level + 1, row[-1].last, ref, *totals))
