"""The file system that a mount shows, with no word of FUSE: names, attributes, content, by inode.

Every call may wait for the store; in the hurried thread (`vfsd.patience`) it raises WouldWait instead, and
is then repeated in a thread that may wait. Errors are those of `vfs.errors`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from vfs.control.spec import MountSpec
from vfs.errors import Corrupt, IsADirectory, NameTooLong, NotADirectory, Refused, StoreError
from vfs.model.entry import Entry, Kind
from vfs.model.ids import Digest
from vfs.model.names import NAME_MAX, printable
from vfsd.folders import Library as LibraryFolder
from vfsd.folders import Views
from vfsd.mounted import MountedTree
from vfsd.node import FIRST_COOKIE, ROOT, Absent, Listed, Node, Part
from vfsd.trees import Trees

# Entries of a commit among which files are looked for.
_ROWS_TRIED = 1024


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A file as the journal names it: repo, commit and row; the path and digest are in its entry."""

    repo: str
    commit: Digest
    row: int


class Missing(msgspec.Struct, frozen=True, gc=False):
    """A name that is not there, as the journal names it: repo, commit and path."""

    repo: str
    commit: Digest
    path: bytes


class Totals(msgspec.Struct, frozen=True):
    """What the mount holds: names, and bytes of content. Both 0 where nobody knows without reading everything."""

    entries: int = 0
    size: int = 0


class FileSystem:
    """A mount's content. Thread-safe: what it holds is immutable, or guarded where it is kept."""

    def __init__(self, trees: Trees, root: Part) -> None:
        self._trees = trees
        self._space = trees.space
        self._root = root
        trees.space.set_root(root)

    def lookup(self, parent: int, name: bytes) -> Node | Absent:
        """The child `name` of a directory; `.` and `..` too. NameTooLong above 255 bytes."""
        if len(name) > NAME_MAX:
            raise NameTooLong(f"{printable(name[:40])}…: name of {len(name)} bytes, 255 allowed")
        part = self._space.part(parent)
        if name == b".":
            return part.node(parent)
        return part.above(parent) if name == b".." else part.lookup(parent, name)

    def node(self, inode: int) -> Node:
        """What `inode` is."""
        return self._space.part(inode).node(inode)

    def entry(self, inode: int) -> Entry:
        """The entry of `inode`."""
        return self.node(inode).entry

    def readlink(self, inode: int) -> bytes:
        """The target of a symlink, as stored."""
        entry = self.entry(inode)
        if entry.kind is not Kind.SYMLINK:
            raise Refused(f"{printable(entry.path)}: not a symlink")
        return entry.target

    def listing(self, inode: int, cookie: int) -> Sequence[Listed]:
        """The next names of a directory from `cookie` on (0: from the start), some thousands; none at its end."""
        part = self._space.part(inode)
        node = part.node(inode)
        if node.entry.kind is not Kind.DIR:
            raise NotADirectory(f"{printable(node.entry.path)}: not a directory")
        if cookie < FIRST_COOKIE - 1:
            return [Listed(b".", node, 1), Listed(b"..", part.above(inode), 2)][cookie:]
        return part.listing(inode, max(cookie, FIRST_COOKIE))

    def opened(self, inode: int) -> Opened:
        """Which file of which commit `inode` is; IsADirectory for what has no content."""
        part = self._space.part(inode)
        if not isinstance(part, MountedTree):
            raise IsADirectory(f"inode {inode}: is a directory")
        return Opened(part.repo, part.commit, part.row(inode))

    def names(self, inode: int) -> list[tuple[Opened, Entry]]:
        """As `opened`, for all names of a file: nobody can tell by which of them it was opened. With their entries."""
        file = self.opened(inode)
        part = self.tree_of(inode)
        found = part.names(inode) if part is not None else []
        return [(Opened(file.repo, file.commit, row), entry) for row, entry in found]

    def listed(self, directory: int) -> Opened | None:
        """Which directory of which commit `directory` is; None for what is of no commit."""
        part = self.tree_of(directory)
        return None if part is None else Opened(part.repo, part.commit, part.row(directory))

    def missing(self, parent: int, name: bytes) -> Missing | None:
        """What of which commit a name is that is not in the directory `parent`; None where no commit could hold it."""
        part = self.tree_of(parent)
        if part is None:
            return None
        above = part.entry(parent).path
        return Missing(part.repo, part.commit, above + b"/" + name if above else name)

    def tree_of(self, inode: int) -> MountedTree | None:
        """The tree that an inode belongs to; None for what is of no commit."""
        part = self._space.part(inode)
        return part if isinstance(part, MountedTree) else None

    def place(self, inode: int) -> tuple[MountedTree, int, Entry] | None:
        """The tree, the row and the entry of a file; None for what is none."""
        part = self.tree_of(inode)
        if part is None:
            return None
        entry = part.entry(inode)
        return (part, part.row(inode), entry) if entry.kind is Kind.FILE else None

    def where(self, directory: int) -> bytes | None:
        """The path of a directory in the mount; None where it is not that of a commit."""
        part = self._space.part(directory)
        return part.where(directory) if isinstance(part, MountedTree) else None

    def read(self, inode: int, offset: int, size: int) -> bytes | memoryview:
        """`size` bytes from `offset` of a file, fewer only at its end; pyfuse3 takes a view of them, too."""
        entry = self.entry(inode)
        if entry.kind is not Kind.FILE:
            raise IsADirectory(f"{printable(entry.path)}: not a file")
        try:
            return self._trees.files.view(entry, offset, size)
        except (Corrupt, StoreError) as error:
            raise type(error)(f"{printable(entry.path)}: {error}") from error

    def xattr(self, inode: int, name: bytes) -> bytes | None:
        """The value of an extended attribute, None when there is none of that name."""
        return dict(self.entry(inode).xattrs).get(name)

    def xattrs(self, inode: int) -> list[bytes]:
        """The names of the extended attributes."""
        return [name for name, _ in self.entry(inode).xattrs]

    def some_files(self, count: int) -> list[tuple[int, bytes]]:
        """Inodes and paths of files in the mount that have one name; up to `count`, none where it is not one commit."""
        part, found = self._root, list[tuple[int, bytes]]()
        if not isinstance(part, MountedTree):
            return found
        start = part.row(part.top)
        for row in range(start, min(part.tree.entries, start + _ROWS_TRIED)):
            entry = part.tree.entry_at(row)
            if entry.kind is Kind.FILE and entry.links is None and part.shows(entry.path):
                found.append((part.inode(row), part.where(part.inode(row))))
            if len(found) == count:
                break
        return found

    def totals(self) -> Totals:
        """What is mounted, when that is one commit."""
        if not isinstance(self._root, MountedTree):
            return Totals()
        return Totals(self._root.tree.entries, self._root.tree.size)


def build_filesystem(spec: MountSpec, trees: Trees) -> FileSystem:
    """The file system that `spec` describes, every view looked up and found: errors as for resolving a revision."""
    root = _root(spec, trees)
    file_system = FileSystem(trees, root)
    for line in root.listing(ROOT, FIRST_COOKIE) if spec.kind == "views" else []:
        file_system.lookup(ROOT, line.name)
    if file_system.entry(ROOT).kind is not Kind.DIR:
        raise NotADirectory(f"{spec.title}: not a directory; only a directory can be mounted")
    return file_system


def _root(spec: MountSpec, trees: Trees) -> Part:
    if spec.kind == "rev":
        return trees.root(spec.views[0])
    if spec.kind == "views":
        return Views(trees, top=ROOT, views=spec.views)
    return LibraryFolder(trees, top=ROOT, above=None)
