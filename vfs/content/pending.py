"""The blobs of packs that are not durable yet: what the index of known chunks cannot hold so far."""

from __future__ import annotations

from collections.abc import Iterable

from vfs.content.known_rows import entry_key
from vfs.content.pack_index import IndexEntry
from vfs.model.entry import BlobRef


class Pending:
    """Key (see known_rows) to reference, for the packs open and under way: a few hundred thousand at most.

    Every operation is one step on a dict, so threads need no lock. A blob leaves only after it
    went into the index of known chunks, so a look-up here and then there misses none.
    """

    def __init__(self) -> None:
        self._refs: dict[bytes, BlobRef] = {}

    def find(self, key: bytes) -> BlobRef | None:
        """The reference under `key`, if its pack is not durable yet."""
        return self._refs.get(key)

    def add(self, key: bytes, ref: BlobRef) -> None:
        """Remember a blob that was appended to an open pack."""
        self._refs[key] = ref

    def forget(self, entries: Iterable[IndexEntry]) -> None:
        """Drop the blobs of a pack that is durable and known."""
        for entry in entries:
            self._refs.pop(entry_key(entry), None)
