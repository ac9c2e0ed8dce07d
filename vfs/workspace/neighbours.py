"""Look-ups in a tree in the order of the tree, as a walk over a layer makes them: mostly one row further on."""

from __future__ import annotations

from collections.abc import Iterator

from vfs.model.entry import Entry, Kind
from vfs.tree.tree import Tree

# Passing over a row costs a tenth of a look-up: beyond so many rows we look up, and go on from there.
_ROWS = 12


class Neighbours:
    """Finds entries of one tree: fast for paths that come in key order, right for any.

    Of the directory `_parent` (None before the first look-up) the names up to `_floor` are passed; `_next` is
    the first entry after them, and `_rows` gives those that follow.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._parent: bytes | None = None
        self._floor = b""
        self._next: Entry | None = None
        self._rows: Iterator[tuple[int, Entry]] = iter(())

    def find(self, path: bytes) -> Entry | None:
        """The entry at `path`, or None."""
        parent, _, name = path.rpartition(b"/")
        if path and parent != self._parent:
            self._enter(parent)
        if not name or name <= self._floor:
            return self._tree.find(path)
        for _ in range(_ROWS):
            if self._next is None or self._next.name >= name:
                self._floor = name
                return self._next if self._next is not None and self._next.name == name else None
            self._step()
        return self._jump(path, name)

    def _enter(self, parent: bytes) -> None:
        entry = self._tree.find(parent)
        self._parent, self._floor = parent, b""
        self._rows = self._tree.children(parent) if entry is not None and entry.kind is Kind.DIR else iter(())
        self._step()

    def _jump(self, path: bytes, name: bytes) -> Entry | None:
        self._rows = self._tree.children(path.rpartition(b"/")[0], after=name)
        self._floor = name
        self._step()
        return self._tree.find(path)

    def _step(self) -> None:
        self._next = next((entry for _, entry in self._rows), None)
