"""Brings blobs of one kind from their packs: cached, joined into few requests, each read by one thread only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from vfs.content.codec import decode, only_as_a_whole
from vfs.content.flight import Flight
from vfs.content.limits import check_ref, place
from vfs.content.lru import ByteLRU
from vfs.content.ranges import Range, join_ranges
from vfs.content.source import PackSource
from vfs.errors import Corrupt, StoreError
from vfs.metrics.counters import Counter
from vfs.model.entry import BlobRef

T = TypeVar("T")
# Bytes of Python objects around a cached value.
_OVERHEAD = 256
# The stored form of what was read without it.
_NOTHING = memoryview(b"")


class Fetcher(Generic[T]):
    """Blobs by reference, as what `verify(raw, ref, stored)` makes of their raw bytes. Thread-safe.

    Invariants: only what `verify` accepted is returned or cached. Each blob being read has a flight
    in `_coming`, of the thread that put it there, which lands it, whatever happens; a thread lands its own
    before it waits for those of others, so no two wait for each other. `_lock` guards `_coming`.
    """

    def __init__(
        self,
        source: PackSource,
        verify: Callable[[bytes, BlobRef, memoryview], T],
        *,
        memory: int,
        around: int = 0,
        refetched: Counter | None = None,
    ) -> None:
        """`memory`: bytes of values to keep. `around`: bytes on either side of a blob that go to a local cache.

        `refetched` counts the ranges that were read from the store again because they came damaged.
        """
        self._source = source
        self._refetched = refetched or Counter()
        self._around = around
        self._verify = verify
        self._cache: ByteLRU[BlobRef, T] = ByteLRU(memory)
        self._lock = threading.Lock()
        self._coming: dict[BlobRef, Flight[BlobRef, T]] = {}

    def cached(self, ref: BlobRef) -> T | None:
        """The blob if it is in memory."""
        return self._cache.get(ref)

    def get(self, ref: BlobRef) -> T:
        """One blob."""
        found = self._cache.get(ref)
        return self.get_many((ref,))[0] if found is None else found

    def get_many(self, refs: Sequence[BlobRef]) -> list[T]:
        """Blobs in the order of `refs`; neighbours in a pack are read in one request.

        Corrupt names the first that is not what its reference says; ObjectMissing a pack that is gone.
        """
        for ref in refs:
            check_ref(ref)
        own = Flight[BlobRef, T]()
        there, flights, mine = self._claim(refs, own)
        try:
            for span in join_ranges([ref for ref in mine if not self._read_alone(ref, own)]):
                self._read(span, own)
        finally:
            self._arrive(mine, own)
        for ref, flight in flights.items():
            there[ref] = flight.get(ref)
        return [there[ref] for ref in refs]

    def _claim(
        self, refs: Iterable[BlobRef], own: Flight[BlobRef, T]
    ) -> tuple[dict[BlobRef, T], dict[BlobRef, Flight[BlobRef, T]], list[BlobRef]]:
        """Those of `refs` that are there; the others, with who brings them; and which of these this thread brings."""
        there: dict[BlobRef, T] = {}
        flights: dict[BlobRef, Flight[BlobRef, T]] = {}
        mine: list[BlobRef] = []
        with self._lock:
            for ref in refs:
                if ref in there or ref in flights:
                    continue
                flight = self._coming.get(ref)
                found = self._cache.get(ref) if flight is None else None
                if found is not None:
                    there[ref] = found
                    continue
                if flight is None:
                    flight = self._coming[ref] = own
                    mine.append(ref)
                flights[ref] = flight
        return there, flights, mine

    def _read_alone(self, ref: BlobRef, own: Flight[BlobRef, T]) -> bool:
        """Land a blob that lies on local disk as it is, without copying it; what is odd is read the other way."""
        try:
            raw = self._source.plain(ref)
            value = None if raw is None else self._verify(raw, ref, _NOTHING)
        except (Corrupt, StoreError):
            return False
        if value is not None:
            self._succeed(ref, own, value)
        return value is not None

    def _read(self, span: Range, own: Flight[BlobRef, T]) -> None:
        """Land the blobs in `span`, each with its own outcome: a damaged one does not spoil its neighbours."""
        data = self._source.cached(span.pack, span.start, span.length)
        if data is not None:
            left = self._land(span.refs, own, data, span.start)
            for ref, _ in left:
                self._source.drop(ref.pack, ref.offset, ref.stored)
            for again in join_ranges(ref for ref, _ in left):
                self._fetch(again, own)
        else:
            self._fetch(span, own)

    def _fetch(self, span: Range, own: Flight[BlobRef, T], *, again: bool = False) -> None:
        """Land the blobs in `span` from the store; what comes damaged is asked for once more."""
        try:
            data = self._source.fetch(span.pack, span.start, span.length, around=0 if again else self._around)
        except Exception as failure:
            for ref in span.refs:
                own.land(ref, failure)
            return
        damaged = self._land(span.refs, own, data, span.start)
        if not damaged:
            # What came with its neighbours was put into the cache together with them.
            if again or not self._around:
                self._source.keep(span.pack, span.start, data)
        elif again:
            for ref, error in damaged:
                own.land(ref, error)
        else:
            self._fetch_again([ref for ref, _ in damaged], own)

    def _fetch_again(self, refs: Iterable[BlobRef], own: Flight[BlobRef, T]) -> None:
        for span in join_ranges(refs):
            self._refetched.add()
            self._source.drop(span.pack, span.start, span.length)
            self._fetch(span, own, again=True)

    def _land(
        self, refs: Iterable[BlobRef], own: Flight[BlobRef, T], data: bytes | memoryview, start: int
    ) -> list[tuple[BlobRef, Exception]]:
        """Land those of `refs` that are sound in `data`, which begins at `start` of the pack; the others, and why."""
        view, damaged = memoryview(data), list[tuple[BlobRef, Exception]]()
        for ref in refs:
            try:
                stored = _stored(view, ref.offset - start, ref)
                value = self._verify(decode(stored, ref.length, what=place(ref)), ref, stored)
            except Exception as error:
                damaged.append((ref, error))
            else:
                self._succeed(ref, own, value, dear=only_as_a_whole(stored))
        return damaged

    def _succeed(self, ref: BlobRef, own: Flight[BlobRef, T], value: T, *, dear: bool = False) -> None:
        """`dear`: to read any of it again, all of it would have to be decompressed."""
        self._cache.put(ref, value, ref.length + _OVERHEAD, dear=dear)
        own.land(ref, value)

    def _arrive(self, mine: Iterable[BlobRef], own: Flight[BlobRef, T]) -> None:
        """Nobody has to wait any more; what an interrupt left open is landed, too."""
        for ref in mine:
            if not own.has(ref):
                own.land(ref, StoreError(f"{place(ref)}: reading it was interrupted"))
        with self._lock:
            for ref in mine:
                del self._coming[ref]


def _stored(data: memoryview, at: int, ref: BlobRef) -> memoryview:
    stored = data[at : at + ref.stored]
    if len(stored) < ref.stored:
        raise Corrupt(f"{place(ref)}: pack is truncated: {len(stored)} of {ref.stored} bytes are there")
    return stored
