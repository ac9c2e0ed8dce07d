"""The daemon's end of the journal: who opened which file of the mount."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence

from vfs.control.spec import MountSpec
from vfs.errors import JournalError, VfsError
from vfs.files.translate import cause_of
from vfs.journal.log import Journal
from vfs.journal.observe import Observer
from vfs.journal.session import begin_session, end_session
from vfs.metrics.counters import Registry
from vfs.metrics.names import GAPS, OBSERVED
from vfs.model.commit import InputCommit
from vfs.model.entry import Entry
from vfsd.fanotify import Fanotify
from vfsd.filesystem import FileSystem, Missing, Opened
from vfsd.outside import outside_of_run
from vfsd.reporting import Reporting
from vfsd.teller import Teller
from vfsd.watch import Watch
from vfsd.writes import writes_of_layer, writes_of_run, writes_of_shell

# The levels of a session whose every open is seen: as a request, or reported by the kernel.
OPENS = "open"
REPORTS = "fanotify"
# Set to 0, opens are observed as requests even where the kernel could report them: for tests of that way.
VARIABLE = "VFSD_FANOTIFY"


class Lineage:
    """Observes one mount under a session: that of a run, or one of its own, which it begins and ends.

    Without an observer the session has a beginning and an end and nothing between. Opens are observed as requests,
    which call `known` and `opened` in the event loop and never wait; or, from `watch` on, in a thread to which the
    kernel reports them. `flush` and `close` wait for that thread and the disk.
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
        self._watch: Watch | None = None
        self._reporting: Reporting | None = None
        # Why the kernel does not report opens, "" while it does.
        self.unreported = "off: no open is recorded" if observer is None else "off: not begun"

    @property
    def state(self) -> str:
        """`open` or `fanotify` while opens are recorded, `off` when they are not to be, else why they cannot be."""
        if self._observer is None:
            return "off"
        failure = self._observer.failure or (self._reporting.failure if self._reporting is not None else None)
        if self._watch is None:
            return failure or OPENS
        return self._watch.failure or failure or REPORTS

    @property
    def needs_opens(self) -> bool:
        """Whether nobody but the requests to open a file tells who opens it."""
        return self._observer is not None and self._watch is None

    def prepare(self, mountpoint: str, *, through: Callable[[], bool] | None = None) -> Fanotify | None:
        """Have the kernel report opens in the mount from now on, if it does; else None, and `unreported` says why.

        `through`: whether it reports what is opened through the overlay over the mount; OSError. Waits for the mount
        and the disk. Nothing is lost meanwhile: `watch` goes on with what was reported by then.
        """
        if self._observer is None:
            return None
        try:
            _check_wanted()
            if through is not None and not through():
                self.unreported = "off: not through an overlay in this kernel, or with no file to try it with"
                return None
            queue = _queue(mountpoint)
        except OSError as error:
            self.unreported = f"off: {_why(error)}"
            return None
        try:
            self._observer.watch_by(REPORTS)
        except JournalError as error:
            self.unreported = f"off: {error}"
            queue.close()
            return None
        return queue

    def watch(self, queue: Fanotify, files: FileSystem) -> None:
        """From now on opens come from `queue`, and `known` and `opened` take no more."""
        if self._observer is not None:
            self._watch = Watch(queue, files, self._observer, self._observed)
            self._watch.start()
            self.unreported = ""

    def watch_run(self, pid: int, *, outside: bool) -> str:
        """Tell who writes the output of a run from now on, and with `outside` what it opens elsewhere.

        `pid` is a process in the namespace of the run. Why not, "" when it is done. Waits for the mounts.
        """
        wanted: list[Callable[[Observer], Teller]] = [lambda observer: writes_of_run(pid, observer, self._watch)]
        if outside:
            wanted.append(lambda observer: outside_of_run(pid, observer))
        return self._report(wanted)

    def watch_layer(self, mountpoint: str, upper: str) -> str:
        """As `watch_run`: tell who writes the files of the overlay at `mountpoint`, which lie in `upper`."""
        return self._report([lambda observer: writes_of_layer(mountpoint, upper, observer, self._watch)])

    def watch_shell(self, pid: int, shown: str, upper: str) -> str:
        """As `watch_layer`, of the overlay that the process `pid` alone sees at `shown`."""
        return self._report([lambda observer: writes_of_shell(pid, shown, upper, observer, self._watch)])

    def _report(self, wanted: Sequence[Callable[[Observer], Teller]]) -> str:
        if self._observer is None or self._reporting is not None:
            return "off: no open is recorded" if self._observer is None else "off: begun already"
        tellers: list[Teller] = []
        try:
            _check_wanted()
            for make in wanted:
                tellers.append(make(self._observer))
        except (OSError, VfsError) as error:
            for teller in tellers:
                teller.group.close()
            return f"off: {_why(error) if isinstance(error, OSError) else error}"
        self._reporting = Reporting(tellers)
        return ""

    def lost(self) -> int:
        """How many opens the journal says were lost. Waits for the disk."""
        rows = self._journal.select("SELECT gaps FROM sessions WHERE session = ?", (self.session,))
        lost = int(str(rows[0][0])) if rows else 0
        self._gaps.add(lost - self._gaps.value)
        return lost

    def known(self, tid: int, file: Opened) -> bool:
        """True when this open, of a file or a directory, would record nothing new."""
        if self._observer is None or self._watch is not None:
            return True
        return self._observer.known(tid, file.repo, file.commit, file.row)

    def opened(self, tid: int, file: Opened, entry: Entry) -> None:
        """Thread `tid` opened `file` for reading."""
        if self._observer is None or self._watch is not None:
            return
        self._observed.add()
        self._observer.opened(tid, file.repo, file.commit, entry.path, entry.digest, row=file.row)

    def listed(self, tid: int, directory: Opened, entry: Entry) -> None:
        """Thread `tid` opened a directory."""
        if self._observer is None or self._watch is not None:
            return
        self._observed.add()
        key = self._observer.key(tid)
        self._observer.listed(key, directory.repo, directory.commit, entry.path, row=directory.row)

    def absent(self, tid: int, missing: Missing) -> None:
        """Thread `tid` looked up a name that is not there. No report of the kernel says so: it is always a request."""
        if self._observer is not None:
            self._observed.add()
            self._observer.absent(self._observer.key(tid), missing.repo, missing.commit, missing.path)

    def flush(self) -> None:
        """Make every open so far durable; JournalError."""
        if self._watch is not None:
            self._watch.drain()
        if self._reporting is not None:
            self._reporting.drain()
        if self._observer is not None:
            self._observer.flush()

    def close(self) -> None:
        """Write what is left, end the session if it is ours; JournalError."""
        try:
            if self._reporting is not None:
                self._reporting.close()
            if self._watch is not None:
                self._watch.close()
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


def _queue(mountpoint: str) -> Fanotify:
    """A queue of the opens in this mount; OSError."""
    _check_wanted()
    return Fanotify(mountpoint)


def _check_wanted() -> None:
    if os.environ.get(VARIABLE) == "0":
        raise OSError(errno.ECANCELED, f"{VARIABLE} is 0")


def _why(error: OSError) -> str:
    if error.errno == errno.EPERM:
        return "needs CAP_SYS_ADMIN outside of any user namespace"
    return "not in this kernel" if error.errno == errno.ENOSYS else cause_of(error)


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
