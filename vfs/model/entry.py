"""What a tree holds: entries, and where the bytes of their content are."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from vfs.model.ids import Digest

# Content up to this many bytes lies in the tree page itself.
INLINE_MAX = 512
# Permission bits and the sticky bit; setuid and setgid are never stored.
MODE_MASK = 0o1777


class Kind(IntEnum):
    """What an entry is. The numbers are part of the format."""

    FILE = 1
    DIR = 2
    SYMLINK = 3


class BlobRef(msgspec.Struct, frozen=True, gc=False):
    """Where a blob lies and what it hashes to.

    `digest` identifies; `pack`, `offset` and `stored` are a location and may differ between two
    refs to the same blob. `length` is the number of raw bytes. A ref without a digest is a hole: `length`
    zero bytes that are stored nowhere; it has no location either.
    """

    digest: Digest
    length: int
    pack: bytes
    offset: int
    stored: int

    @property
    def is_hole(self) -> bool:
        """True when the ref stands for zero bytes that are stored nowhere."""
        return not self.digest


class ChunkList(msgspec.Struct, frozen=True, gc=False):
    """The chunks of one file, in order.

    Level 0: `refs` are the chunks and `spans` is empty. Level n > 0: `refs` are pages that hold
    lists of level n - 1, and `spans` says how many bytes of the file each of them covers.
    """

    refs: tuple[BlobRef, ...]
    level: int = 0
    spans: tuple[int, ...] = ()

    def lengths(self) -> tuple[int, ...]:
        """Bytes of the file that each ref covers."""
        return self.spans if self.level else tuple(ref.length for ref in self.refs)


class Links(msgspec.Struct, frozen=True, gc=False):
    """The names that a file of several has: hard links. A group is the names of one file, in key order.

    `first` is the path of its first name, which stands for the file; `next` that of the name after this one, b"" for
    the last; `count` how many there are, at least 2. All entries of a group are equal but for path and `next`.

    A count of 0 is a claim on the way into a tree, where the names are counted: all that claim the same `first`, which
    may be any bytes then, are to be one file.
    """

    first: bytes
    next: bytes = b""
    count: int = 0


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One name in a tree. `path` is relative, without a leading slash; b"" is the root.

    For a file `digest` is the BLAKE3 of its whole content and `content` its bytes (when at most
    512) or its chunks; for other kinds both are empty. `target` is set for symlinks only. `size` is
    bytes of content, the length of the target for a symlink, 0 for a directory. `links` is set for a file that has
    other names in the tree.
    """

    path: bytes
    kind: Kind
    mode: int
    mtime_ns: int
    size: int = 0
    digest: Digest = b""
    content: bytes | ChunkList = b""
    target: bytes = b""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    links: Links | None = None

    @property
    def name(self) -> bytes:
        """The last component of the path."""
        return self.path.rpartition(b"/")[2]

    @property
    def parent(self) -> bytes:
        """The path of the directory this entry is in."""
        return self.path.rpartition(b"/")[0]

    def same_as(self, other: Entry) -> bool:
        """True when a user would see no difference at this path: all but its other names and where the bytes are."""
        return self.identity() == other.identity()

    def identity(self) -> tuple[object, ...]:
        """The values that make this entry what it is, without locations and other names."""
        return (self.path, self.kind, self.mode, self.mtime_ns, self.size, self.digest, self.target, self.xattrs)
