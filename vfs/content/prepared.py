"""Content that was hashed and compressed and waits for its turn in a pack."""

from __future__ import annotations

import msgspec

from vfs.content.codec import Stored, store_form
from vfs.content.known import KnownChunks
from vfs.content.pending import Pending
from vfs.model.entry import BlobRef
from vfs.model.ids import Digest, digest_of


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """One blob: its key (see known_rows), its raw length, and where it lies already or else its stored form."""

    key: bytes
    length: int
    at: BlobRef | Stored


class PreparedFile(msgspec.Struct, frozen=True):
    """A small file: its digest and size, and its bytes (at most 512) or its chunks."""

    digest: Digest
    size: int
    inline: bytes
    chunks: tuple[Prepared, ...]


class Preparer:
    """The part of writing that needs no order: hash, look up, compress. Thread-safe."""

    def __init__(self, known: KnownChunks, pending: Pending) -> None:
        self._known = known
        self._pending = pending

    def chunk(self, raw: bytes) -> Prepared:
        """A chunk by its digest."""
        return self.blob(digest_of(raw), raw, in_parts=True)

    def blob(self, key: bytes, raw: bytes, *, in_parts: bool = False) -> Prepared:
        """`raw`, whose key is `key`, compressed (`in_parts`: see `store_form`) unless it is stored already."""
        ref = self._pending.find(key) or self._known.find(key)
        return Prepared(key, len(raw), ref or store_form(raw, in_parts=in_parts))
