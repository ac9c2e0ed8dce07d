"""Names of one file: which of them stands for it, and who they all are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

from vfs.model.entry import Entry, Links
from vfs.tree.keys import key_of
from vfs.tree.tree import Tree

# By path: with whom the entry there is linked.
Marks: TypeAlias = dict[bytes, Links | None]


def first_name(tree: Tree, row: int, entry: Entry) -> tuple[int, Entry]:
    """The row and the entry of the first name of the file that `entry`, in `row`, is a name of.

    Where that is no such file, as after an edit by a version that knew of no links, `entry` is a file of its own.
    """
    links = entry.links
    if links is None or links.first == entry.path:
        return row, entry
    found = tree.locate(links.first)
    if found is not None and is_other_name(entry, found[1]):
        return found
    return row, msgspec.structs.replace(entry, links=None)


def names(tree: Tree, first: bytes) -> Iterator[Entry]:
    """The entries of all names of the file whose first name is `first`, in key order, as far as they fit together."""
    path, before = first, None
    while path:
        entry = tree.find(path)
        if entry is None or entry.links is None or entry.links.first != first:
            return
        if before is not None and not is_other_name(before, entry):
            return
        yield entry
        path, before = entry.links.next, entry


def is_other_name(entry: Entry, other: Entry) -> bool:
    """Whether `other` is another name of the file of `entry`: what they say of the file is the same."""
    a, b = entry.links, other.links
    if a is None or b is None or (a.first, a.count) != (b.first, b.count):
        return False
    return entry.identity()[1:] == other.identity()[1:]


def ring(paths: Iterable[bytes]) -> Marks:
    """The marks of the names of one file; one that is its only name has none."""
    ordered = sorted(paths, key=key_of)
    if len(ordered) < 2:
        return dict.fromkeys(ordered)
    after = [*ordered[1:], b""]
    return {path: Links(ordered[0], following, len(ordered)) for path, following in zip(ordered, after, strict=True)}
