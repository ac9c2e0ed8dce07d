"""What a writable mount shows at one path, and where its content is: in the upper layer or in the commit below."""

from __future__ import annotations

import os
import stat

import msgspec

from vfs.model.entry import MODE_MASK, Entry, Kind, Links
from vfs.repo.ingest import claim
from vfs.repo.walk import Found
from vfs.workspace.marks import Marks, Xattrs

_SYMLINK_MODE = 0o777
# Begins what files of the commit below claim; what others claim begins with a number.
BELOW = b"below:"


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One path as the mount shows it. Fields as in `Entry`.

    `found` and `status` are set for what lies in the upper layer. `source` is set when the content of a file is
    that of an entry in the commit below: its attributes alone were changed, or a directory above it was renamed.
    `links` is what a file of several names claims: in the upper layer those of one inode are one file, in the commit
    below those that are linked there.
    `origin`: the path in the commit below that a directory of the upper layer shows, where it was moved from there.
    """

    path: bytes
    kind: Kind
    mode: int
    mtime_ns: int
    size: int = 0
    target: bytes = b""
    xattrs: Xattrs = ()
    found: Found | None = None
    status: os.stat_result | None = None
    source: Entry | None = None
    links: Links | None = None
    origin: bytes | None = None

    def as_entry(self) -> Entry:
        """The entry for the tree; only for what needs no content from the upper layer."""
        source = self.source
        return Entry(
            path=self.path,
            kind=self.kind,
            mode=self.mode,
            mtime_ns=self.mtime_ns,
            size=self.size,
            digest=source.digest if source is not None else b"",
            content=source.content if source is not None else b"",
            target=self.target,
            xattrs=self.xattrs,
            links=self.links,
        )

    @property
    def needs_reading(self) -> bool:
        """True for a file whose content lies in the upper layer."""
        return self.kind is Kind.FILE and self.source is None


def kind_of(mode: int) -> Kind | None:
    """The kind for a `st_mode`; None for what a tree does not hold."""
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISDIR(mode):
        return Kind.DIR
    return Kind.SYMLINK if stat.S_ISLNK(mode) else None


def special_name(mode: int) -> str:
    """What an entry is that a tree does not hold."""
    if stat.S_ISSOCK(mode):
        return "socket"
    return "fifo" if stat.S_ISFIFO(mode) else "device"


def node_of_upper(found: Found, status: os.stat_result, marks: Marks, source: Entry | None) -> Node:
    """The node of an entry in the upper layer that is of a kind a tree holds. OSError when a symlink vanished."""
    kind = kind_of(status.st_mode)
    assert kind is not None
    target = os.readlink(found.name, dir_fd=found.parent.fd) if kind is Kind.SYMLINK else b""
    sizes = {Kind.FILE: status.st_size, Kind.SYMLINK: len(target), Kind.DIR: 0}
    return Node(
        path=found.at,
        kind=kind,
        mode=_SYMLINK_MODE if kind is Kind.SYMLINK else status.st_mode & MODE_MASK,
        mtime_ns=status.st_mtime_ns,
        size=sizes[kind],
        target=target,
        xattrs=() if kind is Kind.SYMLINK else marks.xattrs,
        found=found,
        status=status,
        source=source,
        links=claim(status) if kind is Kind.FILE else None,
    )


def node_of_entry(entry: Entry, path: bytes) -> Node:
    """The node of an entry of the commit below that the mount shows at `path`."""
    return Node(
        path=path,
        kind=entry.kind,
        mode=entry.mode,
        mtime_ns=entry.mtime_ns,
        size=entry.size,
        target=entry.target,
        xattrs=entry.xattrs,
        source=entry if entry.kind is Kind.FILE else None,
        links=Links(BELOW + entry.links.first) if entry.links is not None else None,
    )
