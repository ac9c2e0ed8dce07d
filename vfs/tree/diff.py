"""What differs between two trees; pages that are equal are never opened."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from vfs.model.entry import Entry
from vfs.tree.cursor import Cursor
from vfs.tree.keys import below_range
from vfs.tree.tree import Tree


class Difference(msgspec.Struct, frozen=True):
    """One path that is not the same in both trees: `old` is None when added, `new` None when removed."""

    path: bytes
    old: Entry | None
    new: Entry | None

    @property
    def only_links(self) -> bool:
        """True when nothing but the other names of the file differs."""
        return self.old is not None and self.new is not None and self.old.same_as(self.new)


def diff(a: Tree, b: Tree, *, prefix: bytes = b"") -> Iterator[Difference]:
    """The differences from `a` to `b` at and below `prefix`, in key order."""
    if a.root_ref.digest == b.root_ref.digest:
        return
    old, new = a.find(prefix), b.find(prefix)
    if (found := _difference(old, new)) is not None:
        yield found
    low, high = below_range(prefix)
    for key, difference in _merge(Cursor(a, low), Cursor(b, low)):
        if high is not None and key >= high:
            return
        yield difference


def _difference(old: Entry | None, new: Entry | None) -> Difference | None:
    some = new or old
    if some is None or (old is not None and new is not None and old.same_as(new) and old.links == new.links):
        return None
    return Difference(some.path, old, new)


def _merge(a: Cursor, b: Cursor) -> Iterator[tuple[bytes, Difference]]:
    while True:
        if not a.rows and not b.rows:
            _skip_equal(a, b)
        more_a, more_b = a.open(), b.open()
        if not more_a and not more_b:
            return
        old, new, key = _next_pair(a, b)
        if (found := _difference(old, new)) is not None:
            yield key, found


def _next_pair(a: Cursor, b: Cursor) -> tuple[Entry | None, Entry | None, bytes]:
    """Take the lower of the two next rows, or both when they have one key."""
    key_a = a.rows[-1][0] if a.rows else None
    key_b = b.rows[-1][0] if b.rows else None
    if key_a is None or (key_b is not None and key_b < key_a):
        key, entry = b.rows.pop()
        return None, entry, key
    key, entry = a.rows.pop()
    if key_b == key_a:
        return entry, b.rows.pop()[1], key
    return entry, None, key


def _skip_equal(a: Cursor, b: Cursor) -> None:
    """Pass over equal pages; stop where both have different leaves next, or one has ended."""
    while (pa := a.page) is not None and (pb := b.page) is not None:
        if pa.ref.digest == pb.ref.digest:
            a.skip()
            b.skip()
        elif pa.level == pb.level == 0:
            return
        elif pa.level >= pb.level:
            a.descend()
        else:
            b.descend()
