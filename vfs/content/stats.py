"""What a writer did: counts for progress, messages and tests."""

from __future__ import annotations

import msgspec

from vfs.content.pack_index import CHUNK


class WriterStats(msgspec.Struct):
    """Counts since the writer was made. Bytes are raw bytes, but for `bytes_stored`: those appended to packs."""

    chunks_new: int = 0
    chunks_reused: int = 0
    bytes_new: int = 0
    bytes_reused: int = 0
    pages_new: int = 0
    pages_reused: int = 0
    page_bytes_new: int = 0
    bytes_stored: int = 0

    def count(self, kind: int, length: int, stored: int) -> None:
        """Count one blob of `length` raw bytes; `stored` is 0 when it was reused."""
        self.bytes_stored += stored
        if kind != CHUNK:
            self.pages_new += stored > 0
            self.pages_reused += not stored
            self.page_bytes_new += length if stored else 0
        elif stored:
            self.chunks_new += 1
            self.bytes_new += length
        else:
            self.chunks_reused += 1
            self.bytes_reused += length

    def copy(self) -> WriterStats:
        """The counts of this moment."""
        return msgspec.structs.replace(self)
