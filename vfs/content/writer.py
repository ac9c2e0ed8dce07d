"""Writes content into packs: deduplicated, compressed, in call order, durable after `flush`.

Chunks and pages go to separate packs: the chunks of a directory lie together in the order they were
put, and so do the pages of a tree, which are read alone when a tree is walked.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import partial

from vfs.concurrency.pool import ordered_map
from vfs.content.chunker import Read, cut, cut_bytes
from vfs.content.codec import encode
from vfs.content.known import KnownChunks
from vfs.content.known_rows import page_key
from vfs.content.limits import BLOB_MAX, CHUNK_MIN
from vfs.content.pack import PackWriter
from vfs.content.pack_index import CHUNK, PAGE
from vfs.content.page import location_guard, pack_page
from vfs.content.paging import ListWriter, hole
from vfs.content.pending import Pending
from vfs.content.prepared import Prepared, PreparedFile, Preparer
from vfs.content.stats import WriterStats
from vfs.content.streams import Hashed, Hole, Segment, StreamResult, read_head, resumed, sparse_parts
from vfs.content.uploads import Uploads
from vfs.errors import ObjectMissing, Refused
from vfs.model.entry import INLINE_MAX, BlobRef, ChunkList
from vfs.model.ids import Digest, digest_of
from vfs.store.protocol import Store

# Packs under way to the store while the next one fills: with 64 MiB each this bounds the writer's memory.
UPLOADS = 2
# The index of known chunks is brought up to date by a writer unless someone just did.
SYNC_MAX_AGE = 60.0
# Chunks of up to 4 MiB read ahead of the one being packed; more gains nothing and costs memory.
AHEAD_MAX = 16


class ContentWriter:
    """One writer of chunks and pages to one store. Thread-safe; the order in a pack is that of the calls.

    Invariants: a reference that was returned is valid once `flush` has returned, and not before; a
    blob enters the index of known chunks only after its pack is durable. After a pack could not be stored
    every call raises that error: what was flushed before stands, nothing of the rest is visible.
    `_lock` guards the open packs and the counters.
    """

    def __init__(self, store: Store, known: KnownChunks, jobs: int = 2, *, uploads: int = UPLOADS) -> None:
        self._known = known
        self._jobs = max(1, jobs)
        self._pending = Pending()
        self._preparer = Preparer(known, self._pending)
        self._uploads = Uploads(store, known, self._pending, limit=uploads)
        self._lock = threading.Lock()
        self._open: dict[int, PackWriter] = {}
        self._reused: set[bytes] = set()
        self._stats = WriterStats()
        self._synced = False

    @property
    def stats(self) -> WriterStats:
        """What was put so far, stored and reused."""
        with self._lock:
            return self._stats.copy()

    def put_chunk(self, raw: bytes) -> BlobRef:
        """Store 1 byte to 64 MiB as one chunk."""
        if not 0 < len(raw) <= BLOB_MAX:
            raise Refused(f"chunk of {len(raw)} bytes: 1 to {BLOB_MAX} are possible")
        self._sync()
        return self._put(self._preparer.chunk(raw))

    def put_page(self, logical: bytes, location: bytes) -> BlobRef:
        """Store a page (see page); equal pages with equal locations are stored once."""
        self._sync()
        key = page_key(digest_of(logical), location_guard(location))
        raw = pack_page(logical, location)
        ref = self._preparer.find(key)
        stored = b"" if ref else encode(raw)
        with self._lock:
            ref = self._pending.find(key) or ref
            return self._append(PAGE, key, Prepared(key[:32], len(raw), ref, stored), location_guard(location))

    def prepare_bytes(self, data: bytes) -> PreparedFile:
        """Hash and compress the content of a small file, in any thread; `put_prepared` then stores it in order."""
        digest = digest_of(data)
        if len(data) <= INLINE_MAX:
            return PreparedFile(digest, len(data), data, ())
        self._sync()
        return PreparedFile(digest, len(data), b"", tuple(map(self._preparer.chunk, cut_bytes(data))))

    def put_prepared(self, file: PreparedFile) -> tuple[Digest, bytes | ChunkList]:
        """Store what `prepare_bytes` made; digest and content for an entry."""
        if file.size <= INLINE_MAX:
            return file.digest, file.inline
        chunks = ListWriter(self.put_page)
        for chunk in file.chunks:
            chunks.add(self._put(chunk), chunk.length)
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
        return self._put_parts(cut(resumed(head, read)))

    def put_sparse(self, segments: Iterable[Segment]) -> StreamResult:
        """Store a file given as its data and its holes, in order; a hole costs a reference."""
        return self._put_parts(sparse_parts(segments))

    def flush(self) -> None:
        """Return when all that was put is durable in the store, and known; the writer can be used on.

        ObjectMissing when a pack that was reused has vanished from the store meanwhile.
        """
        with self._lock:
            for kind in sorted(self._open):
                self._uploads.send(self._open.pop(kind))
        self._uploads.wait()
        if self._reused and (lost := self._known.missing(self._reused)):
            raise ObjectMissing(f"pack {min(lost).hex()}: it vanished from the store while it was reused; try again")

    def _put_parts(self, parts: Iterable[bytes | Hole]) -> StreamResult:
        self._sync()
        hashed, chunks, first = Hashed(), ListWriter(self.put_page), b""
        prepare = partial(_prepare_part, self._preparer)
        ahead = min(AHEAD_MAX, 2 * self._jobs)
        for part in ordered_map(prepare, hashed.parts(parts), workers=self._jobs, ahead=ahead):
            ref = hole(part.length) if isinstance(part, Hole) else self._put(part)
            first = first or ref.digest
            chunks.add(ref, part.length)
        return StreamResult(hashed.digest(first), hashed.size, chunks.finish() if hashed.size else b"")

    def _put(self, chunk: Prepared) -> BlobRef:
        with self._lock:
            return self._append(CHUNK, chunk.digest, chunk, 0)

    def _append(self, kind: int, key: bytes, blob: Prepared, guard: int) -> BlobRef:
        """Where `blob` lies: found, or appended to the open pack of its kind. Called with the lock held."""
        self._uploads.check()
        ref = self._pending.find(key) or blob.ref
        if ref is not None:
            self._reused.add(ref.pack)
            self._stats.count(kind, blob.length, 0)
            return ref
        pack = self._open.get(kind)
        if pack is None or not pack.fits(len(blob.stored)):
            if pack is not None:
                self._uploads.send(pack)
            pack = self._open[kind] = PackWriter()
        ref = pack.add(blob.digest, blob.stored, kind=kind, length=blob.length, guard=guard)
        self._pending.add(key, ref)
        self._stats.count(kind, blob.length, ref.stored)
        return ref

    def _sync(self) -> None:
        if not self._synced:
            self._known.sync(max_age=SYNC_MAX_AGE)
            self._synced = True


def _prepare_part(preparer: Preparer, part: bytes | Hole) -> Prepared | Hole:
    return part if isinstance(part, Hole) else preparer.chunk(part)
