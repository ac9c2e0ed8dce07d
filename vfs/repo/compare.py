"""What differs between two revisions, and in one word how."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

import msgspec

from vfs.errors import PathNotFound
from vfs.model.entry import Entry, Kind
from vfs.repo.library import Library
from vfs.repo.resolve import Resolved
from vfs.tree.diff import Difference, diff
from vfs.tree.keys import key_of


class Change(Enum):
    """How a path differs. The value is the letter that listings show."""

    ADDED = "A"
    DELETED = "D"
    MODIFIED = "M"
    TYPE = "T"
    ATTRIBUTES = "P"


def change_of(difference: Difference) -> Change:
    """The most telling of the changes of one path: its kind, then its content, then mode, mtime or xattrs."""
    old, new = difference.old, difference.new
    if old is None:
        return Change.ADDED
    if new is None:
        return Change.DELETED
    if old.kind is not new.kind:
        return Change.TYPE
    if (old.digest, old.size, old.target) != (new.digest, new.size, new.target):
        return Change.MODIFIED
    return Change.ATTRIBUTES


def compare(library: Library, a: Resolved, b: Resolved) -> Iterator[Difference]:
    """The differences from `a` to `b` in key order, paths from the root of the tree; PathNotFound.

    Where the two revisions name different paths, what lies at them is compared, and the paths of the
    differences are relative to them (b"" for the two themselves).
    """
    old, new = library.tree(a.stored), library.tree(b.stored)
    before, after = old.find(a.path), new.find(b.path)
    if before is None and (after is None or a.path != b.path):
        raise PathNotFound(f"{a.revision}: no such path")
    if after is None and a.path != b.path:
        raise PathNotFound(f"{b.revision}: no such path")
    if a.path == b.path:
        return diff(old, new, prefix=a.path)
    return _joined(_relative(old.walk(a.path), a.path), _relative(new.walk(b.path), b.path))


def _relative(entries: Iterator[Entry], above: bytes) -> Iterator[Entry]:
    for entry in entries:
        path = entry.path[len(above) :].removeprefix(b"/")
        # The two starting points differ by name, which is why they were named; their times say nothing either.
        top = not path and entry.kind is Kind.DIR
        # Other names are paths from the root of the tree, which have nothing to do with each other here.
        yield msgspec.structs.replace(entry, path=path, mtime_ns=0 if top else entry.mtime_ns, links=None)


def _joined(a: Iterator[Entry], b: Iterator[Entry]) -> Iterator[Difference]:
    """Stripping a common parent keeps key order, so one pass over both is enough."""
    old, new = next(a, None), next(b, None)
    while old is not None or new is not None:
        old_key = key_of(old.path) if old is not None else None
        new_key = key_of(new.path) if new is not None else None
        if new is None or (old_key is not None and new_key is not None and old_key < new_key):
            assert old is not None
            yield Difference(old.path, old, None)
            old = next(a, None)
        elif old is None or old_key != new_key:
            yield Difference(new.path, None, new)
            new = next(b, None)
        else:
            if not old.same_as(new):
                yield Difference(new.path, old, new)
            old, new = next(a, None), next(b, None)
