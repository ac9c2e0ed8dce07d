"""Which sessions without an end are still running, as far as this host can tell."""

from __future__ import annotations

import socket

from vfs.errors import NotFound
from vfs.journal.events import Watching
from vfs.journal.log import Journal
from vfs.journal.procfs import boot_ns, mark_of, started_ns
from vfs.journal.select import select_events
from vfs.journal.session import session_start

# Starts are known to a clock tick, and records are written a moment after what they are about.
_SLACK_NS = 60_000_000_000


def running_sessions(journal: Journal) -> set[str]:
    """The sessions that were not ended and may go on: one of their processes lives, or they are another host's.

    A number that another process has by now, which began after the session, does not count. JournalError, Corrupt.
    """
    rows = journal.select("SELECT session FROM sessions WHERE ended IS NULL")
    return {session for (session,) in rows if isinstance(session, str) and _may_run(journal, session)}


def _may_run(journal: Journal, session: str) -> bool:
    try:
        start, began_ns = session_start(journal, session)
    except NotFound:
        return False
    if start.host != socket.gethostname():
        return True
    watching = [event.pid for event in select_events(journal, session, Watching)]
    latest = max(began_ns, *_times(journal, session)) + _SLACK_NS
    return any(_lived_at(pid, latest) for pid in {start.pid, *watching})


def _times(journal: Journal, session: str) -> list[int]:
    """When the records of its daemons were written: a layer's mount is watched by one after the other."""
    query = "SELECT time_ns FROM records WHERE seq IN (SELECT seq FROM events WHERE session = ? AND kind = 'watch')"
    return [0, *(time for (time,) in journal.select(query, (session,)) if isinstance(time, int))]


def _lived_at(pid: int, time_ns: int) -> bool:
    mark = mark_of(pid)
    return mark is not None and started_ns(boot_ns(), mark) <= time_ns
