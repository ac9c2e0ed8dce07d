"""The tree of one commit as a region of the mount."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import msgspec

from vfs.errors import NotADirectory, PathNotFound
from vfs.model.entry import Entry, Kind
from vfs.model.ids import Digest
from vfs.model.names import printable
from vfs.tree.links import first_name, names
from vfs.tree.tree import Run, Tree
from vfsd.entries import Entries
from vfsd.lines import Lines
from vfsd.node import FIRST_COOKIE, FOREVER, ROW_BITS, ROW_MASK, Absent, Listed, Node, folder
from vfsd.space import Space

# The row of a child is at least 1: cookies of rows begin where those of `.` and `..` end.
_ROW_COOKIE = FIRST_COOKIE - 1
_UNKNOWN = folder(0)


class _Opened(msgspec.Struct, frozen=True):
    """A tree in use: the row and the entry of its topmost name, its number in the mount."""

    tree: Tree
    row: int
    entry: Entry
    number: int


class MountedTree:
    """A commit's tree, or what lies at one path of it, below the inode `top`.

    The row of an entry makes its inode, except that the topmost entry is `top`, which may be the root of the mount
    or a made-up name. A file of several names has the inode of the first of them, which is what it is called where
    only the inode is known, and may lie outside of what is shown. The tree is opened and numbered when something of
    it is first asked for; `_lock` guards that moment. Two names of one commit are two regions: the kernel would take
    one directory that is found under two names for one that was moved.
    """

    def __init__(
        self,
        space: Space,
        entries: Entries,
        *,
        top: int,
        repo: str,
        commit: Digest,
        above: Callable[[], Node] | None,
        open_tree: Callable[[], Tree],
        path: bytes = b"",
        place: bytes = b"",
        name_seconds: float,
    ) -> None:
        """`above` gives the node of the parent of `top` (None for the root of the mount); `open_tree` may wait.

        `path`: what of the commit is shown; `place`: where in the mount.
        """
        self.repo = repo
        self.commit = commit
        self._place = place
        self._space = space
        self._entries = entries
        self._top = top
        self._above = above
        self._open_tree = open_tree
        self._path = path
        self._name_seconds = name_seconds
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    @property
    def top(self) -> int:
        """The inode of its topmost entry."""
        return self._top

    @property
    def tree(self) -> Tree:
        """The tree."""
        return self._open().tree

    def _open(self) -> _Opened:
        opened = self._opened
        if opened is not None:
            return opened
        tree = self._open_tree()
        found = tree.locate(self._path)
        if found is None:
            raise PathNotFound(f"{self.repo}:{printable(self._path)}: no such path")
        with self._lock:
            if self._opened is None:
                self._opened = _Opened(tree, *found, self._space.number(self))
            return self._opened

    def row(self, inode: int) -> int:
        """The row of `inode`."""
        return self._open().row if inode == self._top else (inode & ROW_MASK) - 1

    def inode(self, row: int) -> int:
        """The inode of `row`."""
        opened = self._open()
        return self._top if row == opened.row else (opened.number << ROW_BITS) + row + 1

    def entry(self, inode: int) -> Entry:
        """The entry of `inode`."""
        if inode == self._top:
            return self._open().entry
        return self._entries.get(inode) or self._entries.keep(inode, _of_inode(self.tree.entry_at(self.row(inode))))

    def names(self, inode: int) -> list[tuple[int, Entry]]:
        """(row, entry) of all names of the file `inode`, one where it has no others, be they shown or not."""
        entry = self.entry(inode)
        if entry.links is None:
            return [(self.row(inode), entry)]
        paths = [name.path for name in names(self.tree, entry.links.first)]
        return [found for found in map(self.tree.locate, paths) if found is not None] or [(self.row(inode), entry)]

    def node(self, inode: int) -> Node:
        """What `inode` is."""
        return Node(inode, self.entry(inode), self._name_seconds if inode == self._top else FOREVER)

    def glimpse(self) -> Node:
        """What the topmost entry is if the tree is open, else a directory whose attributes hold for no time."""
        if self._opened is None:
            return Node(self._top, _UNKNOWN, self._name_seconds, 0.0)
        return Node(self._top, self._opened.entry, self._name_seconds)

    def lookup(self, inode: int, name: bytes) -> Node | Absent:
        """The child `name` of the directory `inode`."""
        found = self.tree.locate(_join(self._directory(inode), name))
        if found is None:
            return Absent()
        row, entry = first_name(self.tree, *found)
        child = self.inode(row)
        return Node(child, self._entries.keep(child, entry))

    def above(self, inode: int) -> Node:
        """The parent of `inode`."""
        if inode == self._top:
            return self.node(inode) if self._above is None else self._above()
        found = self.tree.locate(self.entry(inode).parent)
        return self.node(self._top if found is None else self.inode(found[0]))

    def listing(self, inode: int, cookie: int) -> Sequence[Listed]:
        """The next children of `inode` that lie in one page, by row, which is the order of their names."""
        first = cookie - _ROW_COOKIE if cookie > FIRST_COOKIE else 0
        run = self.tree.listing(self._directory(inode), first)
        if run is None:
            return ()
        # No child is the topmost entry, whose inode is another.
        cookie = run.row + 1 + _ROW_COOKIE
        return Lines(run, inode=self.inode(run.row), cookie=cookie, links=self._links(run) if run.leaf.linked else {})

    def _links(self, run: Run) -> dict[int, Node]:
        """By place in `run`: the files of several names."""
        found = {}
        for position in run.leaf.linked_positions(run.start, run.end):
            place = position - run.start
            row, entry = first_name(self.tree, run.row + place, run.leaf.entry(position))
            found[place] = Node(self.inode(row), entry)
        return found

    def shows(self, path: bytes) -> bool:
        """Whether a path of the commit lies in the mount."""
        return not self._path or path == self._path or path.startswith(self._path + b"/")

    def where(self, inode: int) -> bytes:
        """The path of `inode` in the mount."""
        return _join(self._place, self.entry(inode).path[len(self._path) :].lstrip(b"/")).rstrip(b"/")

    def _directory(self, inode: int) -> bytes:
        entry = self.entry(inode)
        if entry.kind is not Kind.DIR:
            raise NotADirectory(f"{self.repo}:{printable(entry.path)}: not a directory")
        return entry.path


def _of_inode(entry: Entry) -> Entry:
    """`entry` as what its own row stands for: a file of several names, or one of its own that was taken for another."""
    links = entry.links
    return entry if links is None or links.first == entry.path else msgspec.structs.replace(entry, links=None)


def _join(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory else name


def cookie_after(inode: int) -> int:
    """Where a listing goes on after the child of a directory with this inode."""
    return (inode & ROW_MASK) + _ROW_COOKIE
