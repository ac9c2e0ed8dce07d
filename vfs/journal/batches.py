"""The records that say what one flush has to write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from vfs.journal.buffer import UNDESCRIBED, Batch, Kind, Observed, Source
from vfs.journal.events import Event, Gap, OutsideSeen, ProcessesEnded, ProcessesLinked, Wrote

# Observations per record: a record stays near 100 KB.
RECORD = 1024


class Bonds(NamedTuple):
    """What became of processes that were described: (key, end in nanoseconds), (key, key of one linked to it)."""

    ended: list[tuple[int, int]]
    links: list[tuple[int, int]]


def bond_events(session: str, bonds: Bonds) -> Iterator[Event]:
    """The records that say what `bonds` holds."""
    for start in range(0, len(bonds.ended), RECORD):
        yield ProcessesEnded(session=session, ended=tuple(bonds.ended[start : start + RECORD]))
    for start in range(0, len(bonds.links), RECORD):
        yield ProcessesLinked(session=session, links=tuple(bonds.links[start : start + RECORD]))


def batch_events(session: str, batch: Batch, sources: list[Source]) -> Iterator[Event]:
    """The records that say what `batch` holds; `sources` is indexed by its source numbers."""
    for kind, held in batch.seen.items():
        for start in range(0, len(held), RECORD):
            yield _seen(kind, session, held[start : start + RECORD], sources)
    writes = iter(batch.writes.items())
    while part := tuple((*write, at) for write, at in islice(writes, RECORD)):
        yield Wrote(session=session, writes=part)
    for start in range(0, len(batch.outside), RECORD):
        yield OutsideSeen(session=session, opens=tuple(batch.outside[start : start + RECORD]))
    for reason, count in batch.lost.items():
        yield Gap(session=session, count=count, reason=reason)
    if batch.missed:
        yield Gap(session=session, count=0, reason=UNDESCRIBED, processes=batch.missed)


def _seen(kind: Kind, session: str, part: Sequence[Observed], sources: list[Source]) -> Event:
    numbers = list(dict.fromkeys([one[1] for one in part]))
    local = {number: place for place, number in enumerate(numbers)}
    first, last = part[0][4], part[-1][4]
    return kind(
        session=session,
        sources=tuple(sources[number] for number in numbers),
        reads=tuple([(process, local[number], path, digest) for process, number, path, digest, _ in part]),
        first=first,
        ats=() if last - first == len(part) - 1 else tuple(one[4] - first for one in part),
    )
