"""The open packs of a writer: where prepared blobs are appended, and when a pack is full and leaves."""

from __future__ import annotations

import threading

from vfs.content.buffers import Buffers
from vfs.content.codec import Stored
from vfs.content.known import KnownChunks
from vfs.content.pack import PackWriter
from vfs.content.pack_index import CHUNK
from vfs.content.pending import Pending
from vfs.content.prepared import Prepared
from vfs.content.stats import WriterStats
from vfs.content.uploads import Uploads
from vfs.errors import ObjectMissing
from vfs.model.entry import BlobRef
from vfs.model.ids import DIGEST_SIZE
from vfs.store.protocol import Store


class Packer:
    """One open pack for chunks and one for pages. Thread-safe: `_lock` guards the open packs and the counters.

    Invariants: blobs of a kind lie in the order of the calls; none is appended twice while its first pack
    is not durable; a reference that was given out is valid once `flush` has returned.
    """

    def __init__(self, store: Store, known: KnownChunks, pending: Pending, *, uploads: int) -> None:
        self._known = known
        self._pending = pending
        # Two open packs and those under way.
        self._buffers = Buffers(uploads + 2)
        self._uploads = Uploads(store, known, pending, limit=uploads)
        self._lock = threading.Lock()
        self._open: dict[int, PackWriter] = {}
        self._own: set[bytes] = set()
        self._reused: set[bytes] = set()
        self._stats = WriterStats()

    def stats(self) -> WriterStats:
        """The counts of this moment."""
        with self._lock:
            return self._stats.copy()

    def put(self, blob: Prepared, *, kind: int = CHUNK, guard: int = 0) -> BlobRef:
        """Where `blob` lies: found, or appended now. Waits while too many packs are under way."""
        with self._lock:
            self._uploads.check()
            at = self._pending.find(blob.key) or blob.at
            if isinstance(at, Stored):
                return self._append(blob, at, kind, guard)
            if at.pack not in self._own:
                self._reused.add(at.pack)
            self._stats.count(kind, blob.length, 0)
            return at

    def flush(self) -> None:
        """Return when every blob that was put is durable, and every pack that was reused still there."""
        with self._lock:
            for kind in sorted(self._open):
                self._uploads.send(self._open.pop(kind))
        self._uploads.wait()
        self._buffers.clear()
        if self._reused and (lost := self._reused - self._known.sync()):
            raise ObjectMissing(f"pack {min(lost).hex()}: it vanished from the store while it was reused; try again")

    def _append(self, blob: Prepared, stored: Stored, kind: int, guard: int) -> BlobRef:
        pack = self._open.get(kind)
        if pack is not None and not pack.fits(stored.size):
            self._uploads.send(self._open.pop(kind))
            pack = None
        if pack is None:
            pack = self._open[kind] = PackWriter(self._buffers, first=stored.size)
            self._own.add(pack.pack)
        ref = pack.add(blob.key[:DIGEST_SIZE], stored, kind=kind, length=blob.length, guard=guard)
        self._pending.add(blob.key, ref)
        self._stats.count(kind, blob.length, stored.size)
        return ref
