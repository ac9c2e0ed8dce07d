"""Digests of upper files that were read once: by inode, ctime and size, so that no file is read twice for nothing.

A fact about a file, not about a path: it stays true when directories above it are renamed, and an inode that
is used again has another ctime. The size counts because a file that is cut shows that before its new ctime.
Derived: a lost or damaged index costs reading, nothing else. On disk: the magic, then records of 56 bytes
(inode, ctime ns, size: u64le; digest), sorted by inode.
"""

from __future__ import annotations

import os
import struct
from array import array
from pathlib import Path

from vfs.errors import LocalIOError
from vfs.files.atomic import write_atomic
from vfs.model.ids import DIGEST_SIZE, Digest

_MAGIC = b"vfs-layer-index1"
_RECORD = struct.Struct(f"<QQQ{DIGEST_SIZE}s")


class DigestIndex:
    """The digests known when it was loaded, and those to be written with the next `save`.

    Only what was asked for or added since loading is saved, so files that are gone leave the index.
    """

    def __init__(self, data: bytes = b"") -> None:
        self._data = memoryview(data)
        self._inodes = array("Q")
        self._ctimes = array("Q")
        self._sizes = array("Q")
        self._digests = bytearray()

    @classmethod
    def load(cls, path: Path) -> DigestIndex:
        """The index in `path`; an empty one when it is missing, damaged or cannot be read."""
        try:
            data = path.read_bytes()
        except OSError:
            return cls()
        whole = data.startswith(_MAGIC) and (len(data) - len(_MAGIC)) % _RECORD.size == 0
        return cls(data[len(_MAGIC) :] if whole else b"")

    def find(self, status: os.stat_result) -> Digest | None:
        """The digest of the file with this status, if it was read in just this state."""
        low, high = 0, len(self._data) // _RECORD.size
        while low < high:
            middle = (low + high) // 2
            inode, ctime, size, digest = _RECORD.unpack_from(self._data, middle * _RECORD.size)
            if inode == status.st_ino:
                return digest if (ctime, size) == (status.st_ctime_ns, status.st_size) else None
            low, high = (middle + 1, high) if inode < status.st_ino else (low, middle)
        return None

    def add(self, status: os.stat_result, digest: Digest) -> None:
        """A file in the state `status` was read and has this digest; hard links may add it again."""
        if len(digest) == DIGEST_SIZE and status.st_ctime_ns >= 0:
            self._inodes.append(status.st_ino)
            self._ctimes.append(status.st_ctime_ns)
            self._sizes.append(status.st_size)
            self._digests += digest

    def save(self, path: Path) -> None:
        """Write what was added. A failure loses nothing but time, and is passed over."""
        try:
            write_atomic(path, self._encoded())
        except LocalIOError:
            return

    def _encoded(self) -> bytearray:
        # One buffer, not a record at a time: a layer may have a million files.
        data = bytearray(_MAGIC)
        last = -1
        for at in sorted(range(len(self._inodes)), key=self._inodes.__getitem__):
            if self._inodes[at] != last:
                last = self._inodes[at]
                digest = self._digests[at * DIGEST_SIZE : (at + 1) * DIGEST_SIZE]
                data += _RECORD.pack(last, self._ctimes[at], self._sizes[at], digest)
        return data
