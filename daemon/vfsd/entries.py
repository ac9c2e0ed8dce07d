"""Entries by inode, so that an open and its reads do not look up the same row again."""

from __future__ import annotations

import threading
from collections import OrderedDict

from vfs.model.entry import ChunkList, Entry

# Chunk refs and entries kept together: some 250 bytes each, so 4 MiB at most.
_WEIGHT_MAX = 16_384


class Entries:
    """The entries used last. `_lock` guards the order and the weight; a chunk list weighs as many as its refs."""

    def __init__(self, limit: int = _WEIGHT_MAX) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Entry] = OrderedDict()
        self._weight = 0

    def get(self, inode: int) -> Entry | None:
        """The entry of `inode` if it was used lately."""
        with self._lock:
            entry = self._kept.get(inode)
            if entry is not None:
                self._kept.move_to_end(inode)
            return entry

    def keep(self, inode: int, entry: Entry) -> Entry:
        """Remember `entry`, and give it back."""
        with self._lock:
            if inode not in self._kept:
                self._kept[inode] = entry
                self._weight += _weight(entry)
                while self._weight > self._limit and len(self._kept) > 1:
                    self._weight -= _weight(self._kept.popitem(last=False)[1])
        return entry


def _weight(entry: Entry) -> int:
    return 1 + len(entry.content.refs) if isinstance(entry.content, ChunkList) else 1
