"""A position in a tree that can step over whole pages: what lets two trees be compared by their pages."""

from __future__ import annotations

from vfs.model.entry import Entry
from vfs.tree.index import Child
from vfs.tree.tree import Tree


class Cursor:
    """Walks the keys above `low` in order, page by page as long as nobody asks for entries.

    `rows` holds (key, entry) of an opened leaf in reverse, the next one last. While it is empty,
    `page` is the next page whole.
    """

    def __init__(self, tree: Tree, low: bytes) -> None:
        self._tree = tree
        self._low = low
        self._stack: list[Child] = [tree.top]
        self.rows: list[tuple[bytes, Entry]] = []
        self._drop_passed()

    @property
    def page(self) -> Child | None:
        """The next page, None at the end."""
        return self._stack[-1] if self._stack else None

    def skip(self) -> None:
        """Pass over the next page."""
        self._stack.pop()

    def descend(self) -> None:
        """Replace the next page, which is an index page, by its children."""
        index = self._tree.pages.index(self._stack.pop())
        self._stack.extend(index.child(i) for i in range(index.count - 1, -1, -1))
        self._drop_passed()

    def open(self) -> bool:
        """Open the next leaf into `rows`; False at the end."""
        while not self.rows and self._stack:
            while self._stack[-1].level:
                self.descend()
            leaf = self._tree.pages.leaf(self._stack.pop())
            first = leaf.first_above(self._low)
            self.rows = [(leaf.key(i), leaf.entry(i)) for i in range(leaf.count - 1, first - 1, -1)]
        return bool(self.rows)

    def _drop_passed(self) -> None:
        while self._stack and self._stack[-1].last <= self._low:
            self._stack.pop()
