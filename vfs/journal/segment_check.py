"""Checks a segment of a journal by itself: every record against the chain, the whole against its digest."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from vfs.errors import Corrupt
from vfs.journal.chain import Record
from vfs.journal.events import Event, decode_event
from vfs.journal.segment import Closing, Frames, Held, Opening, Skipped, as_item, open_segment
from vfs.journal.verify import Problem
from vfs.model.ids import Digest


class Segment(msgspec.Struct, frozen=True):
    """What a segment says and what is wrong with it. `digest` is that of the file as it is, without its end."""

    path: str
    opening: Opening
    records: int
    last: int
    hash: Digest
    digest: Digest
    problems: tuple[Problem, ...]

    @property
    def sound(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems


def check_segment(path: str) -> Segment:
    """Read the whole file. Corrupt when it is no segment; LocalIOError; what is wrong with its records is returned."""
    with open_segment(path) as file:
        frames = Frames(path, file)
        check = _Check(frames, frames.opening())
        check.list_all()
        return check.judge()


def sound_segment(path: str) -> Segment:
    """As `check_segment`; Corrupt naming the first record that is wrong."""
    found = check_segment(path)
    if not found.sound:
        more = f" and {len(found.problems) - 1} more" if len(found.problems) > 1 else ""
        raise Corrupt(f"{path}: {found.problems[0]}{more}")
    return found


def segment_events(path: str) -> Iterator[tuple[Record, Event]]:
    """The records of a segment that was checked, in order, with what they say."""
    with open_segment(path) as file:
        frames = Frames(path, file)
        frames.opening()
        for _, frame in frames.rest():
            if isinstance(frame, Held):
                record = as_item(frame)
                assert isinstance(record, Record)
                yield record, decode_event(record.kind, record.body, f"{path}: record {record.seq}")


class _Check:
    """Two passes: which records there are and in which order; then each of them, in the order of their numbers."""

    def __init__(self, frames: Frames, opening: Opening) -> None:
        self._frames = frames
        self._opening = opening
        self._places: list[tuple[int, int]] = []
        self._closing: Closing | None = None
        self._broken = ""
        self._records = 0
        self._last, self._hash = opening.first - 1, b""

    def list_all(self) -> None:
        """The first pass."""
        try:
            for place, frame in self._frames.rest():
                if isinstance(frame, Held | Skipped):
                    self._places.append((frame.seq if isinstance(frame, Held) else frame.first, place))
                elif isinstance(frame, Closing):
                    self._closing = frame
                else:
                    raise Corrupt(f"{self._frames.path}: begins twice")
        except Corrupt as error:
            self._broken = str(error).removeprefix(f"{self._frames.path}: ")

    def judge(self) -> Segment:
        """The second pass."""
        digest = self._frames.digest.digest()
        problems = [*self._moved(), *self._chain()]
        problems.sort(key=lambda problem: problem.first)
        end = self._last
        if self._broken:
            problems.append(Problem(end, end, f"is the last that can be read: the file {self._broken}"))
        elif not problems:
            problems.extend(self._against_closing(digest))
        path = self._frames.path
        return Segment(path, self._opening, self._records, end, self._hash, digest, tuple(problems))

    def _moved(self) -> Iterator[Problem]:
        for (seq, _), (right, _) in zip(self._places, sorted(self._places), strict=True):
            if seq != right:
                yield Problem(seq, seq, f"reordered: it stands where record {right} belongs")

    def _chain(self) -> Iterator[Problem]:
        trusted = False
        for _, place in sorted(self._places):
            frame = self._frames.at(place)
            assert isinstance(frame, Held | Skipped)
            item = as_item(frame)
            first, last = (item.seq, item.seq) if isinstance(item, Record) else (item.first, item.last)
            if first <= self._last or last < first:
                yield Problem(first, first, "is there twice")
                continue
            if first > self._last + 1:
                yield Problem(self._last + 1, first - 1, "missing")
                trusted = False
            found = _wrong(item) if isinstance(item, Record) else None
            if found is None and trusted and item.previous != self._hash:
                found = Problem(self._last, first, "do not follow each other: one of the two was replaced")
            if found is not None:
                yield found
            trusted = found is None or found.first != first
            self._records += isinstance(item, Record)
            self._last, self._hash = last, item.hash

    def _against_closing(self, digest: Digest) -> Iterator[Problem]:
        first, last = self._opening.first, self._last
        closing = self._closing
        assert closing is not None
        if (closing.last, closing.hash) != (last, self._hash) and closing.last > last:
            yield Problem(last + 1, closing.last, "missing at the end: the end of the file knows of them")
        elif (closing.records, closing.last, closing.hash) != (self._records, last, self._hash):
            yield Problem(first, last, "are not those that the end of the file names")
        elif closing.digest != digest:
            yield Problem(first, last, "are in order; something around them was altered")


def _wrong(record: Record) -> Problem | None:
    if not record.intact():
        return Problem(record.seq, record.seq, "altered")
    try:
        decode_event(record.kind, record.body, f"record {record.seq}")
    except Corrupt as error:
        return Problem(record.seq, record.seq, f"makes no sense: {error}")
    return None
