"""Which process wrote a file last, by the file's inode: what closes after writing tell."""

from __future__ import annotations

from collections.abc import Sequence

from vfs.journal.events import Wrote
from vfs.journal.log import Journal
from vfs.journal.numbered import Numbered
from vfs.journal.select import select_events

# Nobody knows who, nor when.
UNKNOWN = (0, 0)


class Writers:
    """The last writer of each file of some sessions, in the numbers of the run record of these sessions.

    `only`: writes in that one of them alone; what was written unseen in a later one may have taken an inode over.
    """

    def __init__(self, journal: Journal, sessions: Sequence[str], *, only: str | None = None) -> None:
        """`sessions` in their order. Errors: JournalError, Corrupt."""
        numbered = Numbered(journal, sessions)
        self._last: dict[tuple[int, int], tuple[int, int]] = {}
        for session in sessions if only is None else [only]:
            for event in select_events(journal, session, Wrote):
                for key, device, inode, at in event.writes:
                    self._note((device, inode), (numbered.number(key), at + numbered.before(session)))

    def last(self, device: int, inode: int) -> tuple[int, int]:
        """(process, `at`) of the last close after writing, as `Output` has them; (0, 0) while unknown."""
        return self._last.get((device, inode), UNKNOWN)

    def _note(self, file: tuple[int, int], write: tuple[int, int]) -> None:
        if write[1] >= self._last.get(file, UNKNOWN)[1]:
            self._last[file] = write
