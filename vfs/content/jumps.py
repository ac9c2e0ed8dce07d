"""Which reads of a file stand alone, and which belong to somebody who reads on.

Who reads on needs the rest of a chunk next, so it is worth having whole; who jumps about needs none of it.
A reader counts as reading on once its reads have followed each other for 256 KiB. Up to four are told apart in a
file. A read that is longer than 128 KiB never stands alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from vfs.content.limits import KIB
from vfs.model.ids import Digest

# What an ordinary mount is asked for at once by a reader that reads on; a jump asks for 4 to 64 KiB.
LONE_MAX = 128 * KIB
# Records of a database or an array are read in a few pieces, one after the other.
RUN_MIN = 256 * KIB
READERS = 4
FILES = 256


class _Reader:
    """Where somebody stands: the last read, and how many bytes were read without a gap."""

    __slots__ = ("end", "run", "start")

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.run = end - start

    def takes(self, start: int, end: int) -> bool:
        """Whether this read is the last one once more, or goes on from it."""
        if start == self.end:
            self.run += end - start
            self.start, self.end = start, end
            return True
        return (start, end) == (self.start, self.end)


class Jumps:
    """The last reads of the last files, by the digest of their content. Thread-safe: `_lock` guards all of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[Digest, list[_Reader]] = OrderedDict()

    def lone(self, file: Digest, start: int, end: int) -> bool:
        """Note a read; whether it stands alone. Asked again for the same read it says the same."""
        with self._lock:
            readers = self._readers(file)
            for place, reader in enumerate(readers):
                if reader.takes(start, end):
                    readers.insert(0, readers.pop(place))
                    break
            else:
                readers.insert(0, _Reader(start, end))
                del readers[READERS:]
            return end - start <= LONE_MAX and readers[0].run < RUN_MIN

    def _readers(self, file: Digest) -> list[_Reader]:
        readers = self._files.get(file)
        if readers is None:
            readers = self._files[file] = []
            if len(self._files) > FILES:
                self._files.popitem(last=False)
        self._files.move_to_end(file)
        return readers
