"""Verification of the log: every record against the chain, the end of the log against the head file.

Where records were taken out, checkpoints (records of the chain themselves) say which, and between which hashes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from vfs.errors import Corrupt, JournalError
from vfs.journal.chain import ORIGIN, Record, chain_hash
from vfs.journal.events import Checkpoint, Cut, decode_event
from vfs.journal.head import Head
from vfs.journal.log import Journal
from vfs.model.ids import Digest

# Altered records for which the log is searched for the place they came from: each search reads all of it.
_SEARCHES = 100
# Places around an altered record that are tried as the one it was written at.
_NEAR = 64
# Below all numbers that SQLite can hold but one.
_LOWEST = -(1 << 63)


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong: from which record on to which, and what."""

    first: int
    last: int
    what: str

    def __str__(self) -> str:
        span = f"record {self.first}" if self.first == self.last else f"records {self.first} to {self.last}"
        return f"{span}: {self.what}"


class Verdict(msgspec.Struct, frozen=True):
    """What verification found: how many records there are, the last one, and every problem in order.

    `cut` records were taken out by compaction; checkpoints vouch for the chain over them.
    """

    records: int
    head: Head
    problems: tuple[Problem, ...]
    cut: int = 0

    @property
    def sound(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems


def verify(journal: Journal) -> Verdict:
    """Read the whole log and check it; writers may go on meanwhile.

    Found are records that were altered, dropped (in the middle, or at the end if the head file is newer), put in
    another place, or written by someone who does not know the chain. JournalError when the log cannot be read.
    """
    while True:
        cuts = known_cuts(journal)
        verdict = _verify(journal, cuts)
        # What is taken out while the log is read is missing for no fault of its own.
        if verdict.sound or known_cuts(journal) == cuts:
            return verdict


def _verify(journal: Journal, cuts: list[Cut]) -> Verdict:
    # Noted before the log is read: what is appended meanwhile lies behind it.
    noted = _noted(journal)
    check = _Check(journal, noted if isinstance(noted, Head) else None, cuts)
    problems = list(check.run())
    if isinstance(noted, Problem):
        problems.append(noted)
    return Verdict(check.count, check.head, tuple(problems), check.cut)


def _noted(journal: Journal) -> Head | Problem | None:
    try:
        return journal.noted_head()
    except JournalError as error:
        end = journal.tail().seq
        return Problem(end, end, f"cannot be told to be the last: {error}")


class _Check:
    """One pass over the log: what the next record should be, and what was found so far."""

    def __init__(self, journal: Journal, noted: Head | None, cuts: list[Cut]) -> None:
        self._journal = journal
        self._noted = noted
        self.count = self.cut = 0
        self.head = Head(0, ORIGIN)
        self._cuts = deque(cuts)
        # False after a record whose hash says nothing about what should follow it.
        self._trusted = True
        self._searches = 0

    def run(self) -> Iterator[Problem]:
        for record in self._journal.records(after=_LOWEST):
            self.count += 1
            if record.seq < 1:
                yield Problem(record.seq, record.seq, "no record has such a number")
                continue
            yield from self._over_cuts(record.seq)
            if record.seq <= self.head.seq:
                yield Problem(record.seq, record.seq, "is here, and a checkpoint says that it was taken out")
                continue
            yield from self._up_to(record.seq)
            yield from self._content(record)
            yield from self._against_noted(Head(record.seq, record.hash))
            self.head = Head(record.seq, record.hash)
        yield from self._end()

    def _up_to(self, seq: int) -> Iterator[Problem]:
        if seq > self.head.seq + 1:
            yield Problem(self.head.seq + 1, seq - 1, "missing")
            self._trusted = False

    def _over_cuts(self, seq: int) -> Iterator[Problem]:
        """Go on over what was taken out before record `seq`."""
        while self._cuts and self._cuts[0].first <= seq:
            cut = self._cuts.popleft()
            yield from self._up_to(cut.first)
            if cut.first <= self.head.seq:
                yield Problem(cut.first, cut.last, "checkpoints say twice that they were taken out")
                continue
            if self._trusted and cut.previous != self.head.hash:
                yield Problem(cut.first - 1, cut.first, "do not follow each other: one of the two was replaced")
            self.cut += cut.last - cut.first + 1
            self._trusted, self.head = True, Head(cut.last, cut.hash)
            yield from self._against_noted(self.head)

    def _content(self, record: Record) -> Iterator[Problem]:
        trusted, self._trusted = self._trusted, record.intact()
        if not self._trusted:
            yield Problem(record.seq, record.seq, self._tampered(record))
        elif trusted and record.previous != self.head.hash:
            yield Problem(record.seq - 1, record.seq, "do not follow each other: one of the two was replaced")
        else:
            try:
                decode_event(record.kind, record.body, f"record {record.seq}")
            except Corrupt as error:
                yield Problem(record.seq, record.seq, f"makes no sense: {error}")

    def _tampered(self, record: Record) -> str:
        self._searches += 1
        place = self._true_place(record) if self._searches <= _SEARCHES else None
        return "altered" if place is None else f"reordered: it was written as record {place}"

    def _true_place(self, record: Record) -> int | None:
        """The number under which this record hashes to what it says, if it follows another record of the log."""
        rows = self._journal.select("SELECT seq FROM records WHERE hash = ?", (record.previous,))
        after = [int(str(seq)) for (seq,) in rows] if record.previous != ORIGIN else [0]
        # The predecessor may have moved too, or be gone with everything after it moved up.
        near = range(max(1, record.seq - _NEAR), record.seq + _NEAR)
        candidates = [*(seq + step for seq in after for step in (0, 1, 2)), *near]
        return next((place for place in candidates if place and _hash_at(record, place) == record.hash), None)

    def _against_noted(self, head: Head) -> Iterator[Problem]:
        if self._noted is not None and head.seq == self._noted.seq and head.hash != self._noted.hash:
            yield Problem(head.seq, head.seq, "is not the one the head file names: the log was rewritten")

    def _end(self) -> Iterator[Problem]:
        if self._noted is not None and self._noted.seq > self.head.seq:
            yield Problem(self.head.seq + 1, self._noted.seq, "missing at the end: the head file knows of them")


def known_cuts(journal: Journal) -> list[Cut]:
    """What was taken out, in order, as far as checkpoints say so that hash to what they say themselves."""
    found: list[Cut] = []
    for record in journal.checkpoints():
        with suppress(Corrupt):
            event = decode_event(record.kind, record.body, "") if record.intact() else None
            if isinstance(event, Checkpoint):
                found.extend(cut for cut in event.cuts if 0 < cut.first <= cut.last < record.seq)
    return sorted(found, key=lambda cut: cut.first)


def _hash_at(record: Record, seq: int) -> Digest:
    return chain_hash(record.previous, seq, record.time_ns, record.kind, record.body)
