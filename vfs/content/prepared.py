"""Content that was hashed and compressed and waits for its turn in a pack."""

from __future__ import annotations

import msgspec

from vfs.content.codec import encode
from vfs.content.known import KnownChunks
from vfs.content.pending import Pending
from vfs.model.entry import BlobRef
from vfs.model.ids import Digest, digest_of


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """One chunk: what it hashes to, and either where it lies already or its stored form."""

    digest: Digest
    length: int
    ref: BlobRef | None
    stored: bytes


class PreparedFile(msgspec.Struct, frozen=True):
    """A small file: its digest, and its bytes (at most 512) or its chunks."""

    digest: Digest
    size: int
    inline: bytes
    chunks: tuple[Prepared, ...]


class Preparer:
    """The part of writing that needs no order: look up, hash, compress. Thread-safe."""

    def __init__(self, known: KnownChunks, pending: Pending) -> None:
        self._known = known
        self._pending = pending

    def find(self, key: bytes) -> BlobRef | None:
        """Where the blob with this key lies or will lie, if it is stored or under way."""
        return self._pending.find(key) or self._known.find(key)

    def chunk(self, raw: bytes) -> Prepared:
        """`raw` hashed and, unless it is stored already, compressed."""
        digest = digest_of(raw)
        ref = self.find(digest)
        return Prepared(digest, len(raw), ref, b"" if ref else encode(raw))
