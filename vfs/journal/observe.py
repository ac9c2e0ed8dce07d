"""The observer: which process opened which file of a mount, on its way into the journal."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from types import TracebackType

from vfs.errors import VfsError
from vfs.journal.buffer import Buffer, Source, read_events
from vfs.journal.events import Event, Gap, ProcessSeen, Watching
from vfs.journal.executable import Executables
from vfs.journal.log import Journal
from vfs.journal.processes import OWN, Found, Processes
from vfs.journal.seen import Seen, row_of
from vfs.model.ids import Digest

# Reads held while the journal cannot be written: some 25 MB. What comes after is counted as a gap.
LIMIT = 100_000
# What wakes the writer before its time; each described process holds a descriptor until it is written.
_WAKE_READS = 4096
_WAKE_PROCESSES = 64
# Processes held while the journal cannot be written.
_HELD = 20_000
_INTERVAL = 1.0


class Observer:
    """Observes the opens of one session; one object per mount daemon.

    `opened` runs on the event loop, or `keys`, `knows` and `read` on the thread that watches opens; never both at a
    time. They never wait for the journal and never raise. A thread writes what was
    observed once a second. What cannot be written is held up to a limit; beyond it, reads are counted and the
    count goes into the journal as a gap as soon as it can be written again. `_writing` lets one flush run at a
    time and guards `_held`; everything else but the buffer belongs to the thread that tells of opens.
    """

    def __init__(
        self,
        journal: Journal,
        session: str,
        *,
        root_pid: int | None = None,
        level: str = "open",
        interval: float = _INTERVAL,
        limit: int = LIMIT,
    ) -> None:
        """Start observing. `root_pid`: where chains of parents end (the run's first process; without one they end at
        the leader of the reader's session); `limit`: reads held.

        JournalError when the journal cannot be written: do not mount then.
        """
        self.session = session
        # Why the last write failed, for status; None while all is well.
        self.failure: str | None = None
        self._journal = journal
        self._processes = Processes(root_pid=root_pid)
        self._executables = Executables()
        self._seen = Seen()
        self._own = os.getpid()
        self._numbers: dict[Source, int] = {}
        self._sources: list[Source] = []
        self._buffer = Buffer(limit)
        self._held: list[Event] = []
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        # Processes are described after their opens, not during them: some will have ended.
        self._afterwards = False
        journal.append([Watching(session=session, pid=self._own, level=level)])
        self._thread = threading.Thread(target=self._run, args=(interval,), name="vfs-journal", daemon=True)
        self._thread.start()

    def opened(
        self, tid: int, repo: str, commit: Digest, path: bytes, digest: Digest, *, row: int | None = None
    ) -> None:
        """Thread `tid` opened `path` of a commit for reading; `digest` is that of the file's content.

        `row`: the row of the entry in the tree, when at hand; it makes remembering the pair cheaper.
        """
        self.read(self._processes.key_of(tid), repo, commit, path, digest, row=row)

    def read(
        self, process: int, repo: str, commit: Digest, path: bytes, digest: Digest, *, row: int | None = None
    ) -> None:
        """As `opened`, by the process with this key of `keys`."""
        source = self._number((repo, commit))
        place = row_of(path, digest) if row is None else row
        if process == OWN or self._seen.has(process, source, place):
            return
        if self._buffer.add((process, source, path, digest)):
            self._seen.add(process, source, place)
        if len(self._buffer) >= _WAKE_READS or self._processes.waiting >= _WAKE_PROCESSES:
            self._wake.set()

    def known(self, tid: int, repo: str, commit: Digest, row: int) -> bool:
        """True when `opened` with this row would record nothing: lets the caller skip looking up path and digest."""
        return self.knows(self._processes.key_of(tid), repo, commit, row)

    def knows(self, process: int, repo: str, commit: Digest, row: int) -> bool:
        """As `known`, for the process with this key."""
        source = self._numbers.get((repo, commit))
        return process == OWN or (source is not None and self._seen.has(process, source, row))

    def keys(self, pids: Iterable[int]) -> dict[int, int]:
        """The keys of processes that opened something a moment ago; who is new is described now.

        0 for one that is gone. How many were, or were no more than a name, goes into the journal.
        """
        keys, missed = self._processes.keys_of(pids)
        if missed:
            self._buffer.miss(missed)
        return keys

    def lose(self, count: int, reason: str) -> None:
        """Count opens that will never be told: a gap. May be called by any thread."""
        self._buffer.lose(count, reason)

    def watch_by(self, level: str) -> None:
        """Record that opens are reported afterwards from now on, in this way. Waits for the disk; JournalError."""
        self._afterwards = True
        self._journal.append([Watching(session=self.session, pid=self._own, level=level)])

    def flush(self) -> None:
        """Write everything observed before the call. Blocks; JournalError when it cannot be written (it is kept)."""
        with self._writing:
            batch = self._buffer.take()
            described = [self._described(found) for found in self._processes.take()]
            self._held.extend(described)
            if self._afterwards:
                batch.missed += sum(not (seen.process.exe and seen.process.argv) for seen in described)
            events = [*self._held, *read_events(self.session, batch, self._sources)]
            try:
                if events:
                    self._journal.append(events)
            except BaseException as error:
                self._buffer.put_back(batch)
                self._shorten()
                self.failure = str(error)
                raise
            self._held.clear()
            self.failure = None

    def close(self) -> None:
        """Flush and stop. JournalError when something could not be written."""
        self._closed = True
        self._wake.set()
        self._thread.join()
        self._processes.close()
        self.flush()

    def _shorten(self) -> None:
        """Forget the processes beyond the limit; how many is in the journal as soon as it can be written."""
        if len(self._held) > _HELD:
            lost = len(self._held) - _HELD
            del self._held[_HELD:]
            self._held.append(Gap(session=self.session, count=lost, reason="more processes than could be held"))

    def _number(self, source: Source) -> int:
        number = self._numbers.get(source)
        if number is None:
            number = self._numbers[source] = len(self._sources)
            self._sources.append(source)
        return number

    def _described(self, found: Found) -> ProcessSeen:
        return ProcessSeen(session=self.session, process=found.complete(self._executables))

    def _run(self, interval: float) -> None:
        while not self._closed:
            self._wake.wait(interval)
            self._wake.clear()
            try:
                self.flush()
            except VfsError:
                # Kept in the buffer and in `failure`; tried again at the next turn.
                continue

    def __enter__(self) -> Observer:
        """The observer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush and stop."""
        self.close()
