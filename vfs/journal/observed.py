"""How well some sessions were observed: the level, and what is known to be lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from vfs.journal.events import Gap
from vfs.journal.log import Journal
from vfs.journal.select import select_events
from vfs.model.record import SEEN_ALL

CUT_OFF = "a session was cut off: what it had not written down is lost"


class Observation(msgspec.Struct, frozen=True):
    """`level`, `gaps` and `reasons` as in `RunRecord`."""

    level: str
    gaps: int
    reasons: tuple[tuple[str, int], ...]


def observed(journal: Journal, sessions: Sequence[str]) -> Observation:
    """The lowest level of all sessions, and their gaps; what one before the last had not written is one more.

    Processes that were not described count under their reason, and not as gaps. Errors: JournalError, Corrupt.
    """
    levels: set[str] = set()
    lost: Counter[str] = Counter()
    undescribed: Counter[str] = Counter()
    for session in sessions:
        level, ended = journal.select("SELECT level, ended FROM sessions WHERE session = ?", (session,))[0]
        levels.add(str(level))
        if ended is None and session != sessions[-1]:
            lost[CUT_OFF] += 1
        for gap in select_events(journal, session, Gap):
            lost[gap.reason] += gap.count
            undescribed[gap.reason] += gap.processes
    reasons = sorted((lost + undescribed).items())
    return Observation(_lowest(levels), lost.total(), tuple((reason, count) for reason, count in reasons if count))


def _lowest(levels: set[str]) -> str:
    if levels - SEEN_ALL:
        return "none"
    return "fanotify" if "fanotify" in levels else "open"
