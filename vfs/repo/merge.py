"""Three-way merge of trees by path: which of our changes to replay on theirs, or which paths stand against it.

All three change lists come in key order, in which a directory precedes what is in it; so one pass
over both lists knows, at each path, what either side did to the directories above it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from vfs.errors import Conflict
from vfs.model.entry import Entry, Kind
from vfs.model.names import printable
from vfs.tree.diff import Difference, diff
from vfs.tree.edit import Change, Put, Remove
from vfs.tree.keys import key_of
from vfs.tree.tree import Tree

PATHS_NAMED = 10


def merge_trees(base: Tree | None, ours: Tree, theirs: Tree, *, where: str) -> list[Change]:
    """The changes that carry what `ours` did since `base` over to `theirs`.

    Conflict, naming `where` and up to 10 paths, when both sides changed one path to different ends or one
    side changed what lies in a directory that the other took away. The mtime of a directory alone never
    stands against anything: where both sides changed it, the later one is taken. Nor do the other names of a file:
    what our side linked is linked again with what is the same file on theirs.
    """
    return merge_changes(since(base, ours), since(base, theirs), where=where)


def merge_changes(ours: Iterator[Difference], theirs: Iterator[Difference], *, where: str) -> list[Change]:
    """As `merge_trees`, of what was changed on both sides since one base: two lists in key order."""
    merge = _Merge()
    for mine, other in _joined(ours, theirs):
        merge.add(mine, other)
    if merge.conflicts:
        raise Conflict(_message(where, merge.conflicts))
    return merge.changes


class _Side:
    """One side's changes so far: the directories it took away, or made something else of."""

    def __init__(self) -> None:
        self._cleared: set[bytes] = set()

    def saw(self, change: Difference) -> None:
        old, new = change.old, change.new
        if old is not None and old.kind is Kind.DIR and (new is None or new.kind is not Kind.DIR):
            self._cleared.add(change.path)

    def cleared_above(self, path: bytes) -> bool:
        """True when a directory above `path` is gone on this side."""
        if not self._cleared:
            return False
        while path:
            path = path.rpartition(b"/")[0]
            if path in self._cleared:
                return True
        return False


class _Merge:
    """Takes the changes of both sides path by path; keeps what to replay and what stands against it."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.conflicts: list[bytes] = []
        self._ours = _Side()
        self._theirs = _Side()

    def add(self, mine: Difference | None, other: Difference | None) -> None:
        """What each side did to one path; at least one of the two is given."""
        if mine is not None:
            self._ours.saw(mine)
        if other is not None:
            self._theirs.saw(other)
        if mine is not None and other is not None:
            self._both(mine, other)
        elif mine is not None:
            self._only_ours(mine)
        elif other is not None:
            self._only_theirs(other)

    def _only_theirs(self, other: Difference) -> None:
        if other.new is not None and self._ours.cleared_above(other.path) and not _only_touched(other):
            self.conflicts.append(other.path)

    def _only_ours(self, mine: Difference) -> None:
        if _only_company(mine):
            return
        if mine.new is None:
            # A removal takes all below with it, so what lay below needs no change of its own.
            if not self._ours.cleared_above(mine.path):
                self.changes.append(Remove(mine.path))
        elif self._theirs.cleared_above(mine.path):
            if not _only_touched(mine):
                self.conflicts.append(mine.path)
        else:
            self.changes.append(Put(mine.new))

    def _both(self, mine: Difference, other: Difference) -> None:
        ours, theirs = mine.new, other.new
        if _only_touched(other) and not _only_touched(mine):
            self._only_ours(mine)
            return
        if _only_touched(mine) and not _only_touched(other):
            self._only_theirs(other)
            return
        if ours is None or theirs is None:
            if ours is not theirs:
                self.conflicts.append(mine.path)
            return
        if ours.same_as(theirs):
            if theirs.links is None and ours.links is not None:
                self.changes.append(Put(ours))
            return
        merged = _directory(mine.old, ours, theirs)
        if merged is None:
            self.conflicts.append(mine.path)
        elif not merged.same_as(theirs):
            self.changes.append(Put(merged))


def _only_touched(change: Difference) -> bool:
    """True when a directory got another mtime, or a file other names, and nothing else.

    That stands against no other change.
    """
    if change.only_links:
        return True
    old, new = change.old, change.new
    if old is None or new is None or old.kind is not Kind.DIR or new.kind is not Kind.DIR:
        return False
    return (old.mode, old.xattrs) == (new.mode, new.xattrs)


def _only_company(change: Difference) -> bool:
    """True when a file of several names is one still: who came to its names, or went, has a change of its own."""
    old, new = change.old, change.new
    return change.only_links and old is not None and new is not None and bool(old.links and new.links)


def _directory(old: Entry | None, ours: Entry, theirs: Entry) -> Entry | None:
    """The directory both sides made or changed; None when they disagree about more than its mtime."""
    if ours.kind is not Kind.DIR or theirs.kind is not Kind.DIR:
        return None
    base = old if old is not None and old.kind is Kind.DIR else None
    chosen = theirs
    for field in ("mode", "xattrs"):
        mine, other = getattr(ours, field), getattr(theirs, field)
        before = getattr(base, field) if base is not None else None
        if mine != other and before not in (mine, other):
            return None
        if other == before:
            chosen = msgspec.structs.replace(chosen, **{field: mine})
    return msgspec.structs.replace(chosen, mtime_ns=max(ours.mtime_ns, theirs.mtime_ns))


def since(base: Tree | None, tree: Tree) -> Iterator[Difference]:
    """What `tree` changed since `base`, in key order; all it holds when there is no base."""
    if base is not None:
        return diff(base, tree)
    return (Difference(entry.path, None, entry) for entry in tree.walk())


def _joined(a: Iterator[Difference], b: Iterator[Difference]) -> Iterator[tuple[Difference | None, Difference | None]]:
    """Both lists side by side, paths that are in one alone with None for the other."""
    left, right = next(a, None), next(b, None)
    while left is not None or right is not None:
        left_key = key_of(left.path) if left is not None else None
        right_key = key_of(right.path) if right is not None else None
        take_left = right_key is None or (left_key is not None and left_key <= right_key)
        take_right = left_key is None or (right_key is not None and right_key <= left_key)
        yield left if take_left else None, right if take_right else None
        if take_left:
            left = next(a, None)
        if take_right:
            right = next(b, None)


def _message(where: str, paths: list[bytes]) -> str:
    named = ", ".join(printable(path) or "the root directory" for path in paths[:PATHS_NAMED])
    more = len(paths) - PATHS_NAMED
    rest = f" and {more} more" if more > 0 else ""
    count = "1 path was" if len(paths) == 1 else f"{len(paths)} paths were"
    return f"{where}: {count} changed on both sides, nothing was overwritten: {named}{rest}"
