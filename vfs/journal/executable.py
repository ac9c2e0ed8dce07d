"""The digests of executables, each computed once as long as the file does not change."""

from __future__ import annotations

import os
import stat
from typing import TypeAlias

from blake3 import blake3

from vfs.model.ids import Digest

_PIECE = 1 << 20
_KNOWN_MAX = 4096
_Key: TypeAlias = tuple[int, int, int, int]


class Executables:
    """Digests of executables, by (device, inode, size, mtime ns). Used by one thread."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._known: dict[_Key, Digest] = {}

    def digest(self, handle: int) -> Digest:
        """BLAKE3 of the file behind an O_PATH descriptor, b"" when it cannot be read. Blocks; closes `handle`."""
        try:
            return self._digest(handle)
        except OSError:
            return b""
        finally:
            os.close(handle)

    def _digest(self, handle: int) -> Digest:
        found = os.fstat(handle)
        key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        if key not in self._known:
            if not stat.S_ISREG(found.st_mode):
                return b""
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            self._known[key] = _hash(f"/proc/self/fd/{handle}")
        return self._known[key]


def _hash(path: str) -> Digest:
    hasher = blake3()
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            hasher.update(piece)
    return hasher.digest()


def open_executable(pid: int) -> int:
    """An O_PATH descriptor of the program that `pid` runs, -1 for none.

    O_PATH asks nothing of the file system the program lies on, which may be the very mount whose daemon calls.
    """
    try:
        return os.open(f"/proc/{pid}/exe", os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return -1
