"""What there was, session by session: of this host's journal, and of segments that were imported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from vfs.errors import Corrupt
from vfs.journal.chain import Record
from vfs.journal.events import CommitMade, Event, SessionEnd, SessionStart, decode_event
from vfs.journal.log import Journal
from vfs.journal.segment_check import segment_events


class SessionLine(msgspec.Struct):
    """One session. `ended_ns` is 0 without a recorded end; `source` is the segment it is in, empty for this host."""

    start: SessionStart
    began_ns: int
    source: str
    ended_ns: int = 0
    exit_code: int | None = None
    commits: tuple[CommitMade, ...] = ()


def local_sessions(journal: Journal) -> list[SessionLine]:
    """The sessions of a journal, in the order in which they began. Errors: JournalError, Corrupt."""
    return list(_lines(_events(journal), ""))


def segment_sessions(path: str, source: str) -> list[SessionLine]:
    """The sessions whose beginning is in a segment that was checked."""
    return list(_lines(segment_events(path), source))


def _events(journal: Journal) -> Iterator[tuple[Record, Event]]:
    for record in journal.of_kinds("session-start", "session-end", "commit"):
        what = f"journal {journal.path}: record {record.seq}"
        if not record.intact():
            raise Corrupt(f"{what}: altered")
        yield record, decode_event(record.kind, record.body, what)


def _lines(events: Iterable[tuple[Record, Event]], source: str) -> Iterable[SessionLine]:
    found: dict[str, SessionLine] = {}
    for record, event in events:
        line = found.get(event.session)
        if isinstance(event, SessionStart):
            found.setdefault(event.session, SessionLine(event, record.time_ns, source))
        elif line is not None and isinstance(event, SessionEnd):
            line.ended_ns, line.exit_code = record.time_ns, event.exit_code
        elif line is not None and isinstance(event, CommitMade):
            line.commits += (event,)
    return found.values()
