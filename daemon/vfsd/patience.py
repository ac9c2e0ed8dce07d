"""Which thread must not wait: the event loop's. What it asks for is answered from memory or refused at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from vfs.content.blobs import Blobs, ReadRange
from vfs.content.guards import MEMORY as GUARDS
from vfs.content.guards import Known, is_plain
from vfs.content.limits import check_ref
from vfs.content.page import Page
from vfs.content.source import PackCache
from vfs.errors import Corrupt
from vfs.metrics.counters import Registry
from vfs.metrics.names import CORRUPT, MEMORY_HITS, MEMORY_MISSES, PARTS, REFETCHED
from vfs.model.entry import BlobRef
from vfs.store.protocol import Store
from vfs.tree.index import Index
from vfs.tree.leaf import Leaf
from vfs.tree.pages import Pages, PageSource

A = TypeVar("A")
T = TypeVar("T")


class WouldWait(Exception):
    """What was asked for is not in memory, and this thread must not wait for it. Never leaves the daemon."""


class Patience:
    """Knows the thread of the event loop. Set once, before the mount serves; read by every thread."""

    def __init__(self) -> None:
        self._hurried = -1

    def hurry_this_thread(self) -> None:
        """From now on this thread is never kept waiting."""
        self._hurried = threading.get_ident()

    @property
    def hurried(self) -> bool:
        """Whether this is the thread that is never kept waiting."""
        return threading.get_ident() == self._hurried

    def check(self) -> None:
        """WouldWait in the hurried thread."""
        if self.hurried:
            raise WouldWait


class PatientPages(Pages):
    """Decoded pages that the event loop gets only when they are in memory; other threads fetch them."""

    def __init__(self, source: PageSource, patience: Patience) -> None:
        super().__init__(source)
        self._patience = patience

    def get(self, ref: BlobRef) -> Leaf | Index:
        """The decoded page that `ref` names; WouldWait."""
        page = self.peek(ref)
        if page is not None:
            return page
        self._patience.check()
        return super().get(ref)


class PatientBlobs(Blobs):
    """Chunks and pages that the event loop gets only when they are in memory; other threads fetch them."""

    def __init__(
        self, store: Store, patience: Patience, counters: Registry, *, memory: int, cache: PackCache | None = None
    ) -> None:
        refetched = counters.counter(REFETCHED)
        super().__init__(store, memory=memory, cache=cache, guards=GUARDS, refetched=refetched)
        self._patience = patience
        self._hits = counters.counter(MEMORY_HITS)
        self._misses = counters.counter(MEMORY_MISSES)
        self._corrupt = counters.counter(CORRUPT)
        self._parts = counters.counter(PARTS)

    def get(self, ref: BlobRef) -> bytes:
        """The raw bytes of a chunk; WouldWait."""
        found = self._chunks.cached(ref)
        return self._hit(found) if found is not None else self._fetch(super().get, ref)

    def get_many(self, refs: Sequence[BlobRef]) -> list[bytes]:
        """The raw bytes of chunks; WouldWait when one of them is not in memory."""
        found = [self._chunks.cached(ref) for ref in refs]
        there = [chunk for chunk in found if chunk is not None]
        return self._hit(there) if len(there) == len(refs) else self._fetch(super().get_many, refs)

    def part(self, ref: BlobRef, skip: int, length: int) -> memoryview | None:
        """A part of a chunk; in the hurried thread only what is at hand, and a frame of it is decompressed at most."""
        found = self._chunks.cached(ref)
        if found is not None:
            return memoryview(self._hit(found))[skip : skip + length]
        known = self._guards.known(check_ref(ref))
        if known is None:
            return None
        if not self._patience.hurried:
            return self._guarded(ref, known, skip, length, self._source.near)
        quick = is_plain(ref) or known.ends_in(ref) is not None
        return self._guarded(ref, known, skip, length, self._source.at_once) if quick else None

    def _guarded(self, ref: BlobRef, known: Known, skip: int, length: int, read: ReadRange) -> memoryview | None:
        part = super()._guarded(ref, known, skip, length, read)
        if part is not None:
            self._parts.add()
        return part

    def get_page(self, ref: BlobRef) -> Page:
        """A page; WouldWait."""
        found = self._pages.cached(ref)
        return self._hit(found) if found is not None else self._fetch(super().get_page, ref)

    def _hit(self, found: T) -> T:
        self._hits.add()
        return found

    def _fetch(self, get: Callable[[A], T], wanted: A) -> T:
        self._patience.check()
        self._misses.add()
        try:
            return get(wanted)
        except Corrupt:
            self._corrupt.add()
            raise
