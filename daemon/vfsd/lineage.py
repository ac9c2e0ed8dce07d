"""The daemon's end of the journal: who opened which file of the mount."""

from __future__ import annotations

import os

from vfs.control.spec import MountSpec
from vfs.errors import JournalError
from vfs.journal.log import Journal
from vfs.journal.observe import Observer
from vfs.journal.session import begin_session, end_session
from vfs.metrics.counters import Registry
from vfs.metrics.names import GAPS, OBSERVED
from vfs.model.commit import InputCommit
from vfs.model.entry import Entry
from vfsd.filesystem import Opened

# The level of a session whose every open is seen.
OPENS = "open"


class Lineage:
    """Observes one mount under a session: that of a run, or one of its own, which it begins and ends.

    Without an observer the session has a beginning and an end and nothing between. `known` and `opened` belong to
    the event loop and never wait; `flush` and `close` wait for the disk.
    """

    def __init__(
        self, journal: Journal, session: str, observer: Observer | None, *, own: bool, counters: Registry
    ) -> None:
        self.session = session
        self._journal = journal
        self._own = own
        self._observed = counters.counter(OBSERVED)
        self._gaps = counters.counter(GAPS)
        self._observer = observer

    @property
    def state(self) -> str:
        """`open` while opens are recorded, `off` when they are not to be, else why the journal cannot be written."""
        if self._observer is None:
            return "off"
        return self._observer.failure or OPENS

    @property
    def needs_opens(self) -> bool:
        """Whether nobody but the requests to open a file tells who opens it."""
        return self._observer is not None

    def lost(self) -> int:
        """How many opens the journal says were lost. Waits for the disk."""
        rows = self._journal.select("SELECT gaps FROM sessions WHERE session = ?", (self.session,))
        lost = int(str(rows[0][0])) if rows else 0
        self._gaps.add(lost - self._gaps.value)
        return lost

    def known(self, tid: int, file: Opened) -> bool:
        """True when this open would record nothing new."""
        return self._observer is None or self._observer.known(tid, file.repo, file.commit, file.row)

    def opened(self, tid: int, file: Opened, entry: Entry) -> None:
        """Thread `tid` opened `file` for reading."""
        if self._observer is None:
            return
        self._observed.add()
        self._observer.opened(tid, file.repo, file.commit, entry.path, entry.digest, row=file.row)

    def flush(self) -> None:
        """Make every open so far durable; JournalError."""
        if self._observer is not None:
            self._observer.flush()

    def close(self) -> None:
        """Write what is left, end the session if it is ours; JournalError."""
        try:
            if self._observer is not None:
                self._observer.close()
            if self._own:
                end_session(self._journal, self.session)
        finally:
            self._journal.close()


def open_lineage(spec: MountSpec, counters: Registry) -> Lineage:
    """Begin the session of the mount that `spec` describes, and observe it unless that is off; JournalError."""
    journal = Journal.open(spec.settings.state_dir)
    try:
        session = spec.session or _begin(journal, spec)
        observer = None
        if spec.lineage != "off":
            observer = Observer(journal, session, root_pid=spec.owner_pid or None, level=OPENS)
        return Lineage(journal, session, observer, own=not spec.session, counters=counters)
    except JournalError:
        journal.close()
        raise


def _begin(journal: Journal, spec: MountSpec) -> str:
    inputs = tuple(InputCommit(view.name, view.repo, bytes.fromhex(view.commit)) for view in spec.views)
    return begin_session(
        journal,
        kind="mount",
        mountpoint=os.fsencode(spec.mountpoint),
        command=spec.command or ("vfs", "mount"),
        cwd=spec.cwd or None,
        inputs=inputs,
    )
