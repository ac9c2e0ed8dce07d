"""Writes a tree bottom-up from entries in key order, and decides where pages end.

A leaf ends after a key whose xxh3_64 has nine zero bits at its end, but holds at least 64 and at most
4,096 entries (512 on average). An index page ends by the same rule on the last key of a child, seeded
with its level (16 to 1,024 children, 256 on average). So the cuts depend on the set of keys alone, and
any history that leads to the same entries gives the same pages.

Which names are those of one file is known when all are: leaves with such names are held back until then, and leaves
that were taken over are written again where a name in them lost or won another one. Cuts stay as they are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

import msgspec
import xxhash

from vfs.errors import UsageError
from vfs.model.entry import BlobRef, Entry, Kind
from vfs.model.names import printable
from vfs.tree.held import Held
from vfs.tree.index import INDEX_MAX, Child, encode_index
from vfs.tree.keys import key_of
from vfs.tree.layout import LEAF_MAX, encode_leaf
from vfs.tree.linking import Linking
from vfs.tree.links import Marks
from vfs.tree.pages import PageSink
from vfs.tree.tree import Tree

LEAF_MIN, LEAF_MASK = 64, 511
INDEX_MIN, INDEX_MASK = 16, 255
_UNWRITTEN = BlobRef(b"", 0, b"", 0, 0)


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

    def __init__(self, sink: PageSink, base: Tree | None = None) -> None:
        """`base`: the tree that leaves are taken over from."""
        self._sink = sink
        self._base = base
        self._entries: list[Entry] = []
        self._last = b""
        self._leaves: list[Child] = []
        self._linking = Linking(base)
        # Whether the open leaf has a name of a file of several.
        self._links = False
        self._held = Held()

    @property
    def at_boundary(self) -> bool:
        """True when the next entry starts a new leaf."""
        return not self._entries

    def add(self, entry: Entry, *, kept: bool = False) -> None:
        """The next entry; UsageError when its key is not above the one before. `kept`: it is of the base."""
        key = key_of(entry.path)
        if key <= self._last:
            raise UsageError(f"{printable(entry.path)}: entries out of order")
        self._last = key
        if entry.links is not None:
            self._links = True
            if not kept:
                self._linking.put(entry, entry.links)
                entry = msgspec.structs.replace(entry, links=None)
        self._entries.append(entry)
        if ends_leaf(key, len(self._entries)):
            self._close_leaf()

    def add_leaf(self, child: Child) -> None:
        """The next leaf, taken over as it is. Only at a boundary, and only a leaf that ends by the rule."""
        if self._entries or child.level or not ends_leaf(child.last, child.entries) or child.ref.is_hole:
            raise UsageError(f"{printable(child.last)}: not a leaf that can be taken over here")
        self._last = child.last
        self._leaves.append(child)

    def lose(self, entry: Entry) -> None:
        """An entry of the base is not taken over: gone, or something else in its place."""
        self._linking.lose(entry)

    def finish(self) -> Root:
        """Close all pages; the root."""
        if self._entries:
            self._close_leaf()
        if not self._leaves:
            raise UsageError("tree: a tree without entries, not even a root")
        self._mark_links()
        row = self._leaves
        while len(row) > 1:
            row = [self._index(children) for children in _cut(row)]
        return Root(row[0].ref, row[0].entries, row[0].size)

    def _close_leaf(self) -> None:
        entries, self._entries = self._entries, []
        linked, self._links = self._links, False
        page = encode_leaf(entries, linked=linked)
        if linked:
            self._held.hold(len(self._leaves), page)
        ref = _UNWRITTEN if linked else self._sink.put_page(*page)
        self._leaves.append(_described(entries, self._last, ref, linked=linked))

    def _mark_links(self) -> None:
        """Write the leaves that were held back, and those again in which names are linked otherwise than before."""
        marks, lasts = self._linking.settled(), [child.last for child in self._leaves]
        changed: defaultdict[int, Marks] = defaultdict(dict)
        for path, links in marks.items():
            changed[bisect_left(lasts, key_of(path))][path] = links
        for number in sorted({*changed, *self._held.numbers()}):
            self._leaves[number] = self._marked(number, changed.get(number, {}))

    def _marked(self, number: int, marks: Marks) -> Child:
        child = self._leaves[number]
        if not marks:
            page = self._held.sections(number)
            return msgspec.structs.replace(child, ref=self._sink.put_page(page.logical, page.location))
        if number in self._held:
            leaf = self._held.leaf(number)
        else:
            assert self._base is not None
            leaf = self._base.pages.leaf(child)
        entries = [leaf.entry(position) for position in range(leaf.count)]
        entries = [
            msgspec.structs.replace(entry, links=marks[entry.path]) if entry.path in marks else entry
            for entry in entries
        ]
        return _described(entries, child.last, self._sink.put_page(*encode_leaf(entries)), linked=True)

    def _index(self, children: list[Child]) -> Child:
        ref = self._sink.put_page(*encode_index(children))
        totals = [
            sum(column) for column in zip(*((c.entries, c.files, c.size, c.linked) for c in children), strict=True)
        ]
        return Child(children[0].level + 1, children[-1].last, ref, *totals)


def _described(entries: list[Entry], last: bytes, ref: BlobRef, *, linked: bool) -> Child:
    sizes = [entry.size for entry in entries if entry.kind is Kind.FILE]
    names = sum(1 for entry in entries if entry.links is not None) if linked else 0
    return Child(0, last, ref, len(entries), len(sizes), sum(sizes), names)


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
