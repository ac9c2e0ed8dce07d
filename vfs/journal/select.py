"""What a session's records of one kind say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from vfs.errors import Corrupt
from vfs.journal.events import NAMES, ProcessSeen, ReadsSeen
from vfs.journal.log import Journal

E = TypeVar("E", bound=msgspec.Struct)
# Kinds that have a table of their own.
_TABLES: dict[type[msgspec.Struct], str] = {ProcessSeen: "processes", ReadsSeen: "reads"}


def select_events(journal: Journal, session: str, cls: type[E]) -> Iterator[E]:
    """What the records of `session` of one class say, in their order. Errors: JournalError, Corrupt."""
    for seq in _numbers(journal, session, cls):
        event = journal.event(seq)
        if event.session != session or not isinstance(event, cls):
            raise Corrupt(f"journal {journal.path}: record {seq}: no '{NAMES[cls]}' record of session {session}")
        yield event


def _numbers(journal: Journal, session: str, cls: type[msgspec.Struct]) -> Iterator[int]:
    query, values = f"SELECT seq FROM {_TABLES.get(cls, 'events')} WHERE session = ?", [session]
    if cls not in _TABLES:
        query, values = f"{query} AND kind = ?", [session, NAMES[cls]]
    return (seq for (seq,) in journal.select(f"{query} ORDER BY seq", values) if isinstance(seq, int))
