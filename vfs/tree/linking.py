"""Which names of a tree in the making are those of one file: from claims and from the tree before to marks."""

from __future__ import annotations

from collections import defaultdict

import msgspec
from blake3 import blake3

from vfs.model.entry import Entry, Links
from vfs.tree.links import Marks, names, ring
from vfs.tree.tree import Tree

_KEY = 16


class Linking:
    """What was said of files of several names while a tree was made, on top of `base` where there is one.

    An entry that is put either claims to be one with others that are put now, or comes from another tree and
    says what it was one with there: then it is again with those that are put from there, and with the names that the
    file at that path has in `base`. What is neither put nor lost stays with whom it was. Only names that agree in
    everything can be one file; where they do not, those that do stay together. A few hundred bytes for each name.
    """

    def __init__(self, base: Tree | None) -> None:
        self._base = base
        # Names that are put, by what they claim and what they are.
        self._claimed: defaultdict[bytes, list[bytes]] = defaultdict(list)
        # Names that come from another tree: the first name of their file there, and what they are.
        self._named: dict[bytes, tuple[bytes, bytes]] = {}
        # Of the base: names that are gone or replaced, and the first names of their files.
        self._gone: set[bytes] = set()
        self._touched: set[bytes] = set()

    def put(self, entry: Entry, links: Links) -> None:
        """`entry` is put, with other names as `links` says."""
        if links.count:
            self._named[entry.path] = (links.first, _what(entry, b""))
        else:
            self._claimed[_what(entry, links.first)].append(entry.path)

    def lose(self, entry: Entry) -> None:
        """`entry` of the base is gone, or something else is put in its place."""
        if entry.links is not None:
            self._gone.add(entry.path)
            self._touched.add(entry.links.first)

    def settled(self) -> Marks:
        """By path: the marks of all names that were put with any, and of those of the base whose marks change."""
        marks: Marks = {}
        for paths in self._claimed.values():
            marks.update(ring(paths))
        groups: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for path, (first, _) in self._named.items():
            groups[self._resolved(first)].append(path)
        for first in {*groups, *self._touched}:
            marks.update(self._marks(first, groups.get(first, [])))
        return marks

    def _marks(self, first: bytes, put: list[bytes]) -> Marks:
        """Of the names of a file of the base that are left, together with those that are put."""
        alike: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for path in put:
            alike[self._named[path][1]].append(path)
        before: Marks = {}
        for entry in names(self._base, first) if self._base is not None else ():
            if entry.path not in self._gone:
                before[entry.path] = entry.links
                alike[_what(entry, b"")].append(entry.path)
        marks: Marks = {}
        for paths in alike.values():
            marks.update(ring(paths))
        return {path: links for path, links in marks.items() if path not in before or before[path] != links}

    def _resolved(self, first: bytes) -> bytes:
        """The first name by which the file is known here that another tree knows by its name `first`."""
        seen = set[bytes]()
        while first in self._named and first not in seen:
            seen.add(first)
            first = self._named[first][0]
        entry = self._base.find(first) if self._base is not None else None
        return first if entry is None or entry.links is None else entry.links.first


def _what(entry: Entry, claim: bytes) -> bytes:
    """What an entry is but for its path, and what it claims, in few bytes."""
    return blake3(msgspec.msgpack.encode((claim, *entry.identity()[1:]))).digest(_KEY)
