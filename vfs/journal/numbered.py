"""Processes as a run record numbers them, and the order of what was observed over several sessions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from vfs.journal.events import (
    AbsentSeen,
    FirstSeen,
    ListedSeen,
    ProcessesEnded,
    ProcessesLinked,
    ProcessSeen,
    ReadsSeen,
    Wrote,
)
from vfs.journal.log import Journal
from vfs.journal.select import select_events
from vfs.model.record import Process

SEEN: tuple[type[FirstSeen], ...] = (ReadsSeen, ListedSeen, AbsentSeen)


class Numbered:
    """The processes of some sessions, numbered from 1 by start; fixed once it is made.

    Each session counts what it observes from 1 on. Over several, which followed one another, the counts go on.
    """

    def __init__(self, journal: Journal, sessions: Sequence[str]) -> None:
        """Errors: JournalError, Corrupt."""
        seen: list[Process] = []
        self._sessions: dict[int, str] = {}
        links: dict[int, set[int]] = {}
        ended: dict[int, int] = {}
        for session in sessions:
            for event in select_events(journal, session, ProcessSeen):
                seen.append(event.process)
                self._sessions[event.process.key] = session
                links.setdefault(event.process.key, set()).update(event.process.linked)
            for linked in select_events(journal, session, ProcessesLinked):
                for key, other in linked.links:
                    links.setdefault(key, set()).add(other)
            for end in select_events(journal, session, ProcessesEnded):
                ended.update(end.ended)
        ordered = sorted(seen, key=lambda process: (process.started_ns, process.key))
        self._numbers = {process.key: number for number, process in enumerate(ordered, 1)}
        self.processes = tuple(self._numbered(process, links[process.key], ended) for process in ordered)
        self._before = dict(_before(journal, sessions))

    def number(self, key: int) -> int:
        """The number of the process with this key of its session, 0 for none."""
        return self._numbers.get(key, 0)

    def before(self, session: str) -> int:
        """How much was observed before the first of `session`."""
        return self._before[session]

    def moment(self, key: int, at: int) -> int:
        """The place `at` in the order of its own session, in that of all; 0 while unknown."""
        return at + self._before[self._sessions[key]] if at and key in self._sessions else at

    def _numbered(self, process: Process, linked: set[int], ended: dict[int, int]) -> Process:
        key = self._numbers[process.key]
        links = {self.number(other) for other in linked} - {0, key}
        return msgspec.structs.replace(
            process,
            key=key,
            parent=self.number(process.parent),
            ended_ns=ended.get(process.key, process.ended_ns),
            linked=tuple(sorted(links)),
        )


def _before(journal: Journal, sessions: Sequence[str]) -> Iterator[tuple[str, int]]:
    count = 0
    for session in sessions:
        yield session, count
        if session != sessions[-1]:
            count += max(_last_moments(journal, session), default=0)


def _last_moments(journal: Journal, session: str) -> Iterator[int]:
    for cls in SEEN:
        for event in select_events(journal, session, cls):
            yield from list(event.numbers())[-1:]
    for wrote in select_events(journal, session, Wrote):
        yield from (write[3] for write in wrote.writes)
