"""Which of the changes of a writable mount are moves: looked for among the changes alone.

A new directory was moved from a path that is gone when the layer shows that very directory of the commit there, or
when both hold the same names, kinds and contents, some file among them. A new file was moved from a path that is
gone when both have the same content and some of it; of several the one of the same name counts, else the first.
What differs inside a directory that was moved is a change of its own, at its new path.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice

import msgspec

from vfs.model.entry import Entry, Kind
from vfs.tree.keys import key_of
from vfs.tree.tree import Totals
from vfs.workspace.compare import LayerChange, What, without_descriptors
from vfs.workspace.opened import OpenedLayer

# Of directories that are gone so many entries are looked at for files that live on elsewhere.
_BELOW_MAX = 10_000


def with_renames(opened: OpenedLayer, changes: list[LayerChange]) -> list[LayerChange]:
    """`changes`, in the order of a tree, with moves in place of what is gone and what is new; in that order again."""
    kinds = {change.what for change in changes}
    if not {What.ADDED, What.DELETED} <= kinds:
        return changes
    found = _Renames(opened, changes).found()
    return sorted(found, key=lambda change: key_of(change.path))


class _Renames:
    """`_gone` and `_new` are the changes not accounted for yet; `_moved` the directories, new path to old."""

    def __init__(self, opened: OpenedLayer, changes: list[LayerChange]) -> None:
        self._opened = opened
        self._tree = opened.tree
        self._scan = opened.scan()
        self._gone = {change.path: change for change in changes if change.what is What.DELETED}
        self._new = {change.path: change for change in changes if change.what is What.ADDED}
        self._moved: dict[bytes, bytes] = {}
        self._sources: set[bytes] = set()
        self._found = [change for change in changes if change.what not in (What.ADDED, What.DELETED)]

    def found(self) -> list[LayerChange]:
        """All changes, moves among them."""
        self._move_shown_directories()
        self._move_equal_directories()
        self._compare_inside()
        self._move_files()
        return [*self._found, *self._new.values(), *self._gone.values()]

    def _move_shown_directories(self) -> None:
        for path, change in list(self._new.items()):
            origin = change.new.origin if change.new is not None else None
            if origin and self._is_gone(origin) and not self._came_along(path, origin) and self._is_as_below(origin):
                self._move(change, self._tree.get(origin))

    def _is_gone(self, path: bytes) -> bool:
        while path:
            if path in self._gone or path in self._sources:
                return True
            path = path.rpartition(b"/")[0]
        return False

    def _came_along(self, path: bytes, origin: bytes) -> bool:
        top = self._new_above(path)
        return top is not None and self._moved[top] + path[len(top) :] == origin

    def _is_as_below(self, path: bytes) -> bool:
        """True when the last commit has, for all that its size says, the same directory there as the one below."""
        old, below = self._tree.find(path), self._opened.lower.find(path)
        if old is None or below is None or not old.kind is below.kind is Kind.DIR:
            return False
        return self._tree.totals(path) == self._opened.lower.totals(path)

    def _move(self, change: LayerChange, old: Entry) -> None:
        del self._new[change.path]
        if old.kind is Kind.DIR:
            self._moved[change.path] = old.path
            self._sources.add(old.path)
        self._found.append(msgspec.structs.replace(change, what=What.RENAMED, old=old))

    def _move_equal_directories(self) -> None:
        """Directories that were copied and removed, as programs do where a rename is refused."""
        candidates = defaultdict(list)
        for path, change in self._gone.items():
            if change.old is not None and change.old.kind is Kind.DIR and path not in self._sources:
                candidates[self._tree.totals(path)].append(change.old)
        for top, inside in self._groups().items() if candidates else ():
            totals = _totals(inside)
            equal = candidates.get(totals, []) if totals is not None else []
            for old in sorted(equal, key=lambda entry: not _same_name(entry.path, top)):
                if old.path not in self._sources and self._is_equal(old.path, top, inside):
                    self._move(self._new[top], old)
                    break

    def _groups(self) -> dict[bytes, list[LayerChange]]:
        """The new paths by the topmost new directory they lie in; those in moved directories are left out."""
        groups: dict[bytes, list[LayerChange]] = {}
        tops: dict[bytes, bytes] = {}
        for path, change in self._new.items():
            is_directory = change.new is not None and change.new.kind is Kind.DIR
            top = tops.get(path.rpartition(b"/")[0], path if is_directory else None)
            if top is None or self._new_above(path) is not None:
                continue
            if is_directory:
                tops[path] = top
            groups.setdefault(top, []).append(change)
        return groups

    def _new_above(self, path: bytes) -> bytes | None:
        """The directory that was moved and that `path` lies in."""
        while path := path.rpartition(b"/")[0]:
            if path in self._moved:
                return path
        return None

    def _is_equal(self, old: bytes, new: bytes, inside: list[LayerChange]) -> bool:
        for change in inside:
            entry = self._tree.find(old + change.path[len(new) :])
            node = change.new
            if entry is None or node is None:
                return False
            if (entry.kind, entry.size, entry.target) != (node.kind, node.size, node.target):
                return False
            if node.kind is Kind.FILE and self._digest(change) != entry.digest:
                return False
        return True

    def _digest(self, change: LayerChange) -> bytes:
        node = self._scan.node(change.path)
        return self._opened.digest(node) if node is not None and node.kind is Kind.FILE else b""

    def _compare_inside(self) -> None:
        """In directories that were moved, what they hold is compared with what they held."""
        comparison = self._opened.comparison()
        still: dict[bytes, set[bytes]] = {path: set() for path in self._moved}
        for path in list(self._new):
            top = self._new_above(path)
            if top is None:
                continue
            before = self._moved[top] + path[len(top) :]
            old, node = self._tree.find(before), self._scan.node(path)
            if old is None or node is None:
                continue
            del self._new[path]
            still[top].add(before)
            what = comparison.what(old, node)
            if what is not None and what is not What.TIME:
                self._found.append(without_descriptors(LayerChange(path, what, old, node)))
        for top, kept in still.items():
            self._lose(self._moved[top], kept)

    def _lose(self, source: bytes, kept: set[bytes]) -> None:
        """Of the directory that was at `source` only what is not in `kept`, and was not moved itself, is gone."""
        whole = self._gone.pop(source, None)
        if whole is None and self._is_gone_above(source):
            return
        for entry in self._tree.walk(source):
            parent = entry.path.rpartition(b"/")[0]
            is_top = parent == source or parent in kept
            if is_top and entry.path != source and entry.path not in kept and entry.path not in self._sources:
                self._gone[entry.path] = LayerChange(entry.path, What.DELETED, entry, None)

    def _is_gone_above(self, path: bytes) -> bool:
        while path := path.rpartition(b"/")[0]:
            if path in self._gone:
                return True
        return False

    def _move_files(self) -> None:
        sizes = {change.new.size for change in self._new.values() if change.new is not None}
        candidates: dict[tuple[int, bytes], list[Entry]] = defaultdict(list)
        for entry in self._files_gone():
            if entry.size in sizes:
                candidates[entry.size, entry.digest].append(entry)
        pairs = list(self._candidates(candidates))
        for any_name in (False, True):
            for change, equal in pairs:
                old = _taken(equal, change.path, any_name) if change.path in self._new else None
                if old is not None:
                    self._move(change, old)
                    self._gone.pop(old.path, None)

    def _candidates(self, gone: dict[tuple[int, bytes], list[Entry]]) -> Iterator[tuple[LayerChange, list[Entry]]]:
        """The new files that are equal to some that are gone; only one of a size in question is read."""
        wanted = {size for size, _ in gone}
        for change in self._new.values():
            node = change.new
            if node is not None and node.kind is Kind.FILE and node.size in wanted:
                equal = gone.get((node.size, self._digest(change)))
                if equal:
                    yield change, equal

    def _files_gone(self) -> Iterator[Entry]:
        """The files with content that are gone, some of those in directories that are gone included."""
        entries = (entry for change in self._gone.values() for entry in self._below(change))
        return (entry for entry in islice(entries, _BELOW_MAX) if entry.kind is Kind.FILE and entry.size)

    def _below(self, change: LayerChange) -> Iterator[Entry]:
        if change.old is not None and change.old.kind is Kind.DIR:
            yield from self._tree.walk(change.path)
        elif change.old is not None:
            yield change.old


def _taken(entries: list[Entry], path: bytes, any_name: bool) -> Entry | None:
    """The first of `entries` that will do for `path`, taken off the list."""
    at = next((number for number, entry in enumerate(entries) if any_name or _same_name(entry.path, path)), None)
    return None if at is None else entries.pop(at)


def _same_name(a: bytes, b: bytes) -> bool:
    return a.rpartition(b"/")[2] == b.rpartition(b"/")[2]


def _totals(inside: list[LayerChange]) -> Totals | None:
    """As the tree counts them; None for a directory without any content, which could be anything."""
    nodes = [change.new for change in inside if change.new is not None]
    files = [node for node in nodes if node.kind is Kind.FILE]
    size = sum(node.size for node in files)
    return Totals(len(nodes), len(files), size) if size else None
