"""What was observed and is not written yet: bounded, and honest about what did not fit."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from vfs.journal.events import Event, Gap, ReadsSeen
from vfs.model.ids import Digest

Source: TypeAlias = tuple[str, Digest]
# Process key, source number, path, digest.
Observed: TypeAlias = tuple[int, int, bytes, Digest]
# Reads per record: a record stays near 100 KB.
_RECORD = 1024


FULL = "more opens than could be written in time"
UNDESCRIBED = "ended before they could be described"


class Batch(msgspec.Struct):
    """What one flush has to write: reads in order, and since the last one: reads lost, by reason; processes missed."""

    reads: list[Observed]
    lost: Counter[str]
    missed: int


class Buffer:
    """Reads on their way into the journal. Holds at most `limit`; the rest is counted. Safe from several threads."""

    def __init__(self, limit: int) -> None:
        """`limit`: reads held at most."""
        self._limit = limit
        self._reads: list[Observed] = []
        self._lost: Counter[str] = Counter()
        self._missed = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Reads held now."""
        return len(self._reads)

    def add(self, read: Observed) -> bool:
        """Hold `read`; False when there is no room, and it was counted as lost."""
        with self._lock:
            if len(self._reads) >= self._limit:
                self._lost[FULL] += 1
                return False
            self._reads.append(read)
            return True

    def lose(self, count: int, reason: str) -> None:
        """Count reads that were lost before they came here."""
        with self._lock:
            self._lost[reason] += count

    def miss(self, count: int) -> None:
        """Count processes that were gone before they could be described."""
        with self._lock:
            self._missed += count

    def take(self) -> Batch:
        """All that is held; the buffer is empty afterwards."""
        with self._lock:
            batch = Batch(self._reads, self._lost, self._missed)
            self._reads, self._lost, self._missed = [], Counter(), 0
            return batch

    def put_back(self, batch: Batch) -> None:
        """Hold `batch` again, before what came since; what no longer fits is counted."""
        with self._lock:
            reads = batch.reads + self._reads
            self._lost.update(batch.lost)
            if len(reads) > self._limit:
                self._lost[FULL] += len(reads) - self._limit
            self._missed += batch.missed
            self._reads = reads[: self._limit]


def read_events(session: str, batch: Batch, sources: list[Source]) -> Iterator[Event]:
    """The records that say what `batch` holds; `sources` is indexed by its source numbers."""
    for start in range(0, len(batch.reads), _RECORD):
        part = batch.reads[start : start + _RECORD]
        local = {number: place for place, number in enumerate(dict.fromkeys(read[1] for read in part))}
        yield ReadsSeen(
            session=session,
            sources=tuple(sources[number] for number in local),
            reads=tuple((process, local[number], path, digest) for process, number, path, digest in part),
        )
    for reason, count in batch.lost.items():
        yield Gap(session=session, count=count, reason=reason)
    if batch.missed:
        yield Gap(session=session, count=0, reason=UNDESCRIBED, processes=batch.missed)
