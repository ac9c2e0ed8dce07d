"""What was observed and is not written yet: bounded, and honest about what did not fit."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import TypeAlias, TypeVar

import msgspec

from vfs.journal.events import AbsentSeen, ListedSeen, ReadsSeen
from vfs.model.ids import Digest

Source: TypeAlias = tuple[str, Digest]
# Process key, source number, path, digest, place in the order of all observations.
Observed: TypeAlias = tuple[int, int, bytes, Digest, int]
_Held = TypeVar("_Held")
# What such an observation is: the class of the record that will say it.
Kind: TypeAlias = type[ReadsSeen] | type[ListedSeen] | type[AbsentSeen]
# Process key, device, inode.
Write: TypeAlias = tuple[int, int, int]

FULL = "more opens than could be written in time"
FULL_LISTED = "more listings than could be written in time"
FULL_ABSENT = "more names looked up in vain than could be written in time"
FULL_WRITES = "more files written than could be recorded in time"
FULL_OUTSIDE = "more opens outside of the mounts than could be written in time"
UNDESCRIBED = "ended before they could be described"
_FULL: dict[Kind, str] = {ReadsSeen: FULL, ListedSeen: FULL_LISTED, AbsentSeen: FULL_ABSENT}


class Batch(msgspec.Struct):
    """What one flush has to write, by kind in order; what was lost since the last one, by reason, and who missed."""

    seen: dict[Kind, list[Observed]] = msgspec.field(default_factory=lambda: {kind: [] for kind in _FULL})
    writes: dict[Write, int] = msgspec.field(default_factory=dict)
    outside: list[tuple[int, bytes]] = msgspec.field(default_factory=list)
    lost: Counter[str] = msgspec.field(default_factory=Counter)
    missed: int = 0

    def __len__(self) -> int:
        """Observations in it."""
        return sum(map(len, self.seen.values())) + len(self.writes) + len(self.outside)


class Buffer:
    """Observations on their way into the journal, and the number of each in the order of all of one session.

    Holds at most `limit` of a kind; the rest is counted. Safe from several threads.
    """

    def __init__(self, limit: int) -> None:
        """`limit`: observations of a kind held at most."""
        self._limit = limit
        self._batch = Batch()
        self._count = self._at = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Observations held now."""
        return self._count

    def add(self, kind: Kind, process: int, source: int, path: bytes, digest: Digest) -> bool:
        """Hold an observation; False when there is no room, and it was counted as lost."""
        with self._lock:
            held = self._batch.seen[kind]
            if len(held) >= self._limit:
                self._batch.lost[_FULL[kind]] += 1
                return False
            self._at += 1
            self._count += 1
            held.append((process, source, path, digest, self._at))
            return True

    def add_reads(self, process: int, source: int, files: Sequence[tuple[int, bytes, Digest]]) -> int:
        """Hold that a process read files, each (row, path, digest); how many of them: the rest is counted as lost."""
        with self._lock:
            held = self._batch.seen[ReadsSeen]
            count = min(len(files), self._limit - len(held))
            if count < len(files):
                self._batch.lost[FULL] += len(files) - count
            held.extend(
                (process, source, path, digest, at)
                for at, (_, path, digest) in enumerate(islice(files, count), self._at + 1)
            )
            self._at += count
            self._count += count
            return count

    def write(self, write: Write) -> None:
        """Hold that a process wrote a file: the last time counts."""
        with self._lock:
            held = self._batch.writes
            if write not in held:
                if len(held) >= self._limit:
                    self._batch.lost[FULL_WRITES] += 1
                    return
                self._count += 1
            self._at += 1
            held[write] = self._at

    def open_outside(self, process: int, path: bytes) -> bool:
        """Hold that a process opened a file outside of the mounts; False when there is no room."""
        with self._lock:
            held = self._batch.outside
            if len(held) >= self._limit:
                self._batch.lost[FULL_OUTSIDE] += 1
                return False
            self._count += 1
            held.append((process, path))
            return True

    def lose(self, count: int, reason: str) -> None:
        """Count observations that were lost before they came here."""
        with self._lock:
            self._batch.lost[reason] += count

    def miss(self, count: int) -> None:
        """Count processes that were gone before they could be described."""
        with self._lock:
            self._batch.missed += count

    def take(self) -> Batch:
        """All that is held; the buffer is empty afterwards."""
        with self._lock:
            batch, self._batch, self._count = self._batch, Batch(), 0
            return batch

    def put_back(self, batch: Batch) -> None:
        """Hold `batch` again, before what came since; what no longer fits is counted."""
        with self._lock:
            since = self._batch
            for kind, held in batch.seen.items():
                self._lengthen(batch, held, since.seen[kind], _FULL[kind])
            self._lengthen(batch, batch.outside, since.outside, FULL_OUTSIDE)
            batch.writes.update(since.writes)
            if len(batch.writes) > self._limit:
                batch.lost[FULL_WRITES] += len(batch.writes) - self._limit
                batch.writes = dict(islice(batch.writes.items(), self._limit))
            batch.lost.update(since.lost)
            batch.missed += since.missed
            self._batch, self._count = batch, len(batch)

    def _lengthen(self, batch: Batch, held: list[_Held], since: list[_Held], full: str) -> None:
        held += since
        if len(held) > self._limit:
            batch.lost[full] += len(held) - self._limit
            del held[self._limit :]
