"""What one reading of a layer takes of its changes: a selection and `.vfsignore`, made to fit a tree.

A tree has the directories above all it holds, so a new directory comes along with what is taken below it. A
removed directory stands for all below it, so where some of that is left out, only the rest is removed.
"""

from __future__ import annotations

from collections.abc import Iterator

from vfs.errors import Busy
from vfs.model.entry import Kind
from vfs.model.names import printable
from vfs.tree.tree import Tree
from vfs.workspace.compare import LayerChange
from vfs.workspace.ignore import Ignores
from vfs.workspace.selection import Selection


class Picker:
    """Says of changes against `tree` whether they are taken. First `note` all puts, then ask with `takes`."""

    def __init__(self, selection: Selection, tree: Tree, ignores: Ignores) -> None:
        self._selection = selection
        self._tree = tree
        self._ignores = ignores
        # New directories that something taken lies in, and the directory last found to be there already.
        self._needed: set[bytes] = set()
        self._there: bytes | None = None

    @property
    def takes_all(self) -> bool:
        """True when no pattern leaves anything out."""
        return self._selection.takes_all

    def note(self, change: LayerChange) -> None:
        """Remember the new directories above a put that is taken."""
        if not self._selection.takes_all and change.new is not None and self._is_taken(change):
            parent = change.path
            while parent and not self._is_there(parent := parent.rpartition(b"/")[0]):
                self._needed.add(parent)

    def takes(self, change: LayerChange) -> bool:
        """True when the put `change` goes into the commit; Busy for one below a directory that `note` did not see."""
        if change.path in self._needed:
            return True
        if not self._is_taken(change):
            return False
        parent = change.path.rpartition(b"/")[0]
        if not self._selection.takes_all and not self._is_there(parent) and not self._chosen(parent):
            raise Busy(f"{printable(change.path)}: appeared while the layer was read")
        return True

    def removals(self, path: bytes) -> Iterator[bytes]:
        """The paths to remove for one that is gone: itself, or what the patterns take of what was below it."""
        if self._selection.takes_all:
            yield path
            return
        entries = list(self._tree.walk(path))
        kept = set()
        for entry in entries:
            if not self._selection.takes(entry.path, directory=entry.kind is Kind.DIR):
                above = entry.path
                while above not in kept and len(above) >= len(path):
                    kept.add(above)
                    above = above.rpartition(b"/")[0]
        for entry in entries:
            if entry.path not in kept and (entry.path == path or entry.path.rpartition(b"/")[0] in kept):
                yield entry.path

    def _is_taken(self, change: LayerChange) -> bool:
        node = change.new
        directory = node is not None and node.kind is Kind.DIR
        if not self._selection.takes(change.path, directory=directory):
            return False
        if change.old is not None or not self._selection.ignoring:
            return True
        # A removal may have taken along what the last commit has.
        return not self._ignores.hides(change.path, directory=directory) or self._tree.find(change.path) is not None

    def _chosen(self, path: bytes) -> bool:
        return path in self._needed or self._selection.takes(path, directory=True)

    def _is_there(self, path: bytes) -> bool:
        if path in self._needed or path == self._there:
            return path == self._there
        entry = self._tree.find(path)
        if entry is None or entry.kind is not Kind.DIR:
            return False
        self._there = path
        return True
