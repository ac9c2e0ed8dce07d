"""What the file system says about a name, and how inode numbers are laid out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from vfs.model.entry import ChunkList, Entry, Kind

# What FUSE calls the root of a mount.
ROOT = 1
# inode = tree number << 40 | row + 1: a commit may have a million million entries, a mount 32,768 trees.
ROW_BITS = 40
ROW_MASK = (1 << ROW_BITS) - 1
# Names that are not rows of a commit (repos, branches, views) count from here. All inodes stay below 2^56:
# overlayfs with xino needs the bits above.
NAMED = 1 << 55
TREES_MAX = NAMED >> ROW_BITS
# Seconds. A commit never changes, so what the kernel knows of it holds for as long as it likes (31 years).
FOREVER = 1e9
# Branches move: how old an answer about the name of one may be.
NAME_SECONDS = 1.0
# Cookies of a listing: `.` is 1, `..` is 2, what follows counts from here.
FIRST_COOKIE = 3
# In `--all`, the directory of a repo that holds its commits by id.
COMMITS = b"@commits"


class Node(msgspec.Struct, frozen=True, gc=False):
    """A name that exists: its inode, its entry, and for how many seconds the name and the attributes hold."""

    inode: int
    entry: Entry
    name_seconds: float = FOREVER
    attr_seconds: float = FOREVER


class Absent(msgspec.Struct, frozen=True, gc=False):
    """A name that does not exist, and for how many seconds that holds."""

    seconds: float = FOREVER


class Listed(msgspec.Struct, frozen=True, gc=False):
    """One line of a listing. `cookie` is where the listing goes on after it."""

    name: bytes
    node: Node
    cookie: int


class Part(Protocol):
    """A region of the mount: the tree of one commit, or one made-up directory. Called from several threads.

    The calls may raise WouldWait in the event loop's thread, else the errors of the store and the tree.
    """

    @property
    def top(self) -> int:
        """The inode of its topmost directory (or file)."""

    def node(self, inode: int) -> Node:
        """What `inode` is."""

    def glimpse(self) -> Node:
        """What `top` is, without waiting for the store: attributes that are not known yet hold for 0 seconds."""

    def lookup(self, inode: int, name: bytes) -> Node | Absent:
        """The child `name` of the directory `inode`."""

    def above(self, inode: int) -> Node:
        """The parent of `inode`; of the root, the root."""

    def listing(self, inode: int, cookie: int) -> Sequence[Listed]:
        """The next children of `inode` from `cookie` (at least FIRST_COOKIE) on; none at the end."""


def folder(mtime_ns: int) -> Entry:
    """The entry of a made-up directory: anyone may read it, nobody may write."""
    return Entry(path=b"", kind=Kind.DIR, mode=0o555, mtime_ns=mtime_ns)


def occupied(entry: Entry) -> int:
    """Bytes of `entry` that are stored: its size without holes, as far as the entry itself tells."""
    content = entry.content
    if entry.kind is not Kind.FILE or isinstance(content, bytes) or content.level:
        return entry.size if entry.kind is Kind.FILE else 0
    return entry.size - _holes(content)


def _holes(content: ChunkList) -> int:
    return sum(ref.length for ref in content.refs if ref.is_hole)
