"""Writes content into packs: deduplicated, compressed, in call order, durable after `flush`.

Chunks and pages go to separate packs: the chunks of a directory lie together in the order they were
put, and so do the pages of a tree, which are read alone when a tree is walked.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from vfs.concurrency.pool import ordered_map
from vfs.content.chunker import Read, cut, cut_bytes
from vfs.content.known import KnownChunks
from vfs.content.known_rows import page_key
from vfs.content.limits import BLOB_MAX, CHUNK_MIN
from vfs.content.pack_index import PAGE
from vfs.content.packer import Packer
from vfs.content.page import location_guard, pack_page
from vfs.content.paging import ListWriter, hole
from vfs.content.pending import Pending
from vfs.content.prepared import Prepared, PreparedFile, Preparer
from vfs.content.stats import WriterStats
from vfs.content.streams import Hashed, Hole, Segment, StreamResult, read_head, resumed, sparse_parts
from vfs.errors import Refused
from vfs.model.entry import INLINE_MAX, BlobRef, ChunkList
from vfs.model.ids import Digest, digest_of
from vfs.store.protocol import Store

# Packs under way to the store while the next one fills: with 64 MiB each this bounds the writer's memory.
UPLOADS = 2
# Chunks of up to 4 MiB read ahead of the one being packed; more gains nothing and costs memory.
AHEAD_MAX = 16


class ContentWriter:
    """One writer of chunks and pages to one store. Thread-safe; the order in a pack is that of the calls.

    Invariants: a reference that was returned is valid once `flush` has returned, and not before; a
    blob enters the index of known chunks only after its pack is durable. After a pack could not be stored
    every call raises that error: what was flushed before stands, and a new writer can do the rest.
    """

    def __init__(self, store: Store, known: KnownChunks, jobs: int = 2, *, uploads: int = UPLOADS) -> None:
        """`jobs` threads hash and compress a stream; `uploads` packs at most are on their way at a time."""
        self._jobs = max(1, jobs)
        pending = Pending()
        self._preparer = Preparer(known, pending)
        self._packer = Packer(store, known, pending, uploads=uploads)

    @property
    def stats(self) -> WriterStats:
        """What was put so far, stored and reused."""
        return self._packer.stats()

    def put_chunk(self, raw: bytes) -> BlobRef:
        """Store 1 byte to 64 MiB as one chunk."""
        if not 0 < len(raw) <= BLOB_MAX:
            raise Refused(f"chunk of {len(raw)} bytes: 1 to {BLOB_MAX} are possible")
        return self._packer.put(self._preparer.chunk(raw))

    def put_page(self, logical: bytes, location: bytes) -> BlobRef:
        """Store a page (see page); the same page with the same locations is stored once."""
        guard = location_guard(location)
        blob = self._preparer.blob(page_key(digest_of(logical), guard), pack_page(logical, location))
        return self._packer.put(blob, kind=PAGE, guard=guard)

    def prepare_bytes(self, data: bytes) -> PreparedFile:
        """Hash and compress the content of a file, in any thread; `put_prepared` then stores it in order."""
        if len(data) <= INLINE_MAX:
            return PreparedFile(digest_of(data), len(data), data, ())
        chunks = tuple(map(self._preparer.chunk, cut_bytes(data)))
        return PreparedFile(chunks[0].key if len(chunks) == 1 else digest_of(data), len(data), b"", chunks)

    def put_prepared(self, file: PreparedFile) -> tuple[Digest, bytes | ChunkList]:
        """Store what `prepare_bytes` made; digest and content for an entry."""
        if not file.chunks:
            return file.digest, file.inline
        chunks = ListWriter(self.put_page)
        for chunk in file.chunks:
            chunks.add(self._packer.put(chunk), chunk.length)
        return file.digest, chunks.finish()

    def put_bytes(self, data: bytes) -> tuple[Digest, bytes | ChunkList]:
        """Store the content of a file that is in memory; digest and content for an entry."""
        return self.put_prepared(self.prepare_bytes(data))

    def put_stream(self, read: Read) -> StreamResult:
        """Store a stream of any length in bounded memory. `read(n)` gives up to `n` bytes, b"" at the end."""
        head = read_head(read, CHUNK_MIN)
        if len(head) < CHUNK_MIN:
            digest, content = self.put_bytes(head)
            return StreamResult(digest, len(head), content)
        return self._put_parts(cut(resumed(head, read)), Hashed())

    def put_sparse(self, segments: Iterable[Segment]) -> StreamResult:
        """Store a file given as its data and its holes, in order; a hole costs a reference, and its hashing."""
        return self._put_parts(sparse_parts(segments), Hashed(threads=True))

    def flush(self) -> None:
        """Return when all that was put is durable in the store, and known; the writer can be used on.

        ObjectMissing when a pack that was reused has vanished from the store meanwhile.
        """
        self._packer.flush()

    def _put_parts(self, parts: Iterable[bytes | Hole], hashed: Hashed) -> StreamResult:
        chunks, first = ListWriter(self.put_page), b""
        prepare = partial(_prepare_part, self._preparer)
        ahead = min(AHEAD_MAX, 2 * self._jobs)
        for part in ordered_map(prepare, hashed.parts(parts), workers=self._jobs, ahead=ahead):
            ref = hole(part.length) if isinstance(part, Hole) else self._packer.put(part)
            first = first or ref.digest
            chunks.add(ref, part.length)
        return StreamResult(hashed.digest(first), hashed.size, chunks.finish() if hashed.size else b"")


def _prepare_part(preparer: Preparer, part: bytes | Hole) -> Prepared | Hole:
    return part if isinstance(part, Hole) else preparer.chunk(part)
