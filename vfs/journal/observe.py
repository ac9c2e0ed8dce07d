"""The observer: which process read, listed or missed what of a mount, on its way into the journal."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence
from types import TracebackType

from vfs.errors import VfsError
from vfs.journal.batches import Bonds, batch_events, bond_events
from vfs.journal.buffer import Buffer, Kind, Source
from vfs.journal.events import AbsentSeen, Event, Gap, ListedSeen, ProcessSeen, ReadsSeen, Watching
from vfs.journal.executable import Executables
from vfs.journal.log import Journal
from vfs.journal.processes import OWN, Found, Processes
from vfs.journal.seen import Seen, row_of
from vfs.model.ids import Digest

# Observations of a kind held while the journal cannot be written: some 25 MB of reads. What comes after is counted
# as a gap.
LIMIT = 100_000
# Names looked up in vain, and opens outside of the mounts, that one session records: what a program asks for that is
# not there has no natural end.
ABSENT_MAX = 100_000
OUTSIDE_MAX = 100_000
MORE_ABSENT = f"more than {ABSENT_MAX:,} names looked up in vain"
MORE_OUTSIDE = f"more than {OUTSIDE_MAX:,} files opened outside of the mounts"
# What wakes the writer before its time; each described process holds a descriptor until it is written.
_WAKE_READS = 4096
_WAKE_PROCESSES = 64
# Processes held while the journal cannot be written.
_HELD = 20_000
_INTERVAL = 1.0
# How long many reads told at once wait for a writer that is behind, and how long between two looks.
_ROOM_SECONDS = 1.0
_ROOM_NAP = 0.005
# Reads held at once: others who observe wait for a millisecond meanwhile.
_AT_ONCE = 1024


class Observer:
    """Observes one session; one object per mount daemon.

    The event loop tells of requests, other threads of what the kernel reports: `_telling` guards what they share, and
    is held while a process is described, for some 0.3 ms and at most 0.1 s. Who tells of one thing never waits for the
    journal, and nobody gets an error. A thread writes what was observed once a second. What cannot be written is held
    up to a limit; beyond it, observations are counted and the count goes into the journal as a gap as soon as it can be
    written again.
    `_writing` lets one flush run at a time and guards `_held`.
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
        self._missing = Seen()
        self._absent_left = ABSENT_MAX
        self._elsewhere: set[tuple[int, bytes]] = set()
        self._own = os.getpid()
        self._numbers: dict[Source, int] = {}
        self._sources: list[Source] = []
        self._buffer = Buffer(limit)
        self._room = limit // 2
        self._held: list[Event] = []
        self._gone: list[tuple[int, int]] = []
        self._telling = threading.RLock()
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
        self.read(self.key(tid), repo, commit, path, digest, row=row)

    def key(self, tid: int) -> int:
        """The key of the process of thread `tid`, described now if it is new; 0 when there is none (any more)."""
        with self._telling:
            return self._processes.key_of(tid)

    def latest(self, pid: int) -> int:
        """The key of the program last described under a number, be it gone; 0 for none."""
        with self._telling:
            return self._processes.latest(pid)

    def ancestors(self, process: int) -> list[int]:
        """The pids of the ancestors of the process with this key as it was described, the parent first."""
        with self._telling:
            return self._processes.links.ancestors(process)

    def read(
        self, process: int, repo: str, commit: Digest, path: bytes, digest: Digest, *, row: int | None = None
    ) -> None:
        """As `opened`, by the process with this key."""
        place = row_of(path, digest) if row is None else row
        self._first(self._seen, ReadsSeen, process, (repo, commit), place, path, digest)

    def unread(self, process: int, repo: str, commit: Digest, rows: Sequence[int]) -> list[int]:
        """Those of some rows of a commit that the process with this key was not seen to read, in their order."""
        source = self._numbers.get((repo, commit))
        return list(rows) if source is None else self._seen.missing(process, source, rows)

    def read_all(self, process: int, repo: str, commit: Digest, files: Sequence[tuple[int, bytes, Digest]]) -> None:
        """As `read`, of `unread` files of a commit, each (row, path, digest).

        Waits for room where the writer is behind, for a second at most.
        """
        self._make_room()
        for start in range(0, len(files), _AT_ONCE):
            part = files[start : start + _AT_ONCE]
            with self._telling:
                source = self._number((repo, commit))
                held = self._buffer.add_reads(process, source, part)
                self._seen.add_all(process, source, (row for row, _, _ in part[:held]))
            self._nudge()

    def _make_room(self) -> None:
        end = time.monotonic() + _ROOM_SECONDS
        while len(self._buffer) >= self._room and self.failure is None and time.monotonic() < end:
            self._wake.set()
            time.sleep(_ROOM_NAP)

    def listed(self, process: int, repo: str, commit: Digest, path: bytes, *, row: int | None = None) -> None:
        """The process with this key opened a directory of a commit; `path` is b"" for its root."""
        place = row_of(path, b"") if row is None else row
        self._first(self._seen, ListedSeen, process, (repo, commit), place, path, b"")

    def absent(self, process: int, repo: str, commit: Digest, path: bytes) -> None:
        """The process with this key looked up `path` of a commit, which is not there."""
        if self._absent_left <= 0:
            self._buffer.lose(1, MORE_ABSENT)
        elif self._first(self._missing, AbsentSeen, process, (repo, commit), row_of(path, b""), path, b""):
            self._absent_left -= 1

    def wrote(self, process: int, device: int, inode: int) -> None:
        """The process with this key closed a file after writing. May be called by any thread."""
        if process != OWN:
            self._buffer.write((process, device, inode))
            self._nudge()

    def link(self, process: int, other: int) -> None:
        """Data of the process with the key `other` may have come to `process`. May be called by any thread."""
        with self._telling:
            self._processes.links.add(process, other)

    def outside(self, process: int, path: bytes) -> None:
        """The process with this key opened a file outside of all mounts. May be called by any thread."""
        with self._telling:
            if process == OWN or (process, path) in self._elsewhere:
                return
            if len(self._elsewhere) >= OUTSIDE_MAX:
                self._buffer.lose(1, MORE_OUTSIDE)
            elif self._buffer.open_outside(process, path):
                self._elsewhere.add((process, path))
                self._nudge()

    def _first(
        self, seen: Seen, kind: Kind, process: int, source: Source, place: int, path: bytes, digest: Digest
    ) -> bool:
        """Whether this is new, and was held."""
        with self._telling:
            number = self._number(source)
            if process == OWN or seen.has(process, number, place):
                return False
            held = self._buffer.add(kind, process, number, path, digest)
            if held:
                seen.add(process, number, place)
        self._nudge()
        return held

    def _nudge(self) -> None:
        if len(self._buffer) >= _WAKE_READS or self._processes.waiting >= _WAKE_PROCESSES:
            self._wake.set()

    def known(self, tid: int, repo: str, commit: Digest, row: int) -> bool:
        """True when `opened` with this row would record nothing: lets the caller skip looking up path and digest."""
        return self.knows(self.key(tid), repo, commit, row)

    def knows(self, process: int, repo: str, commit: Digest, row: int) -> bool:
        """As `known`, for the process with this key; and for `listed`."""
        source = self._numbers.get((repo, commit))
        return process == OWN or (source is not None and self._seen.has(process, source, row))

    def keys(self, pids: Iterable[int]) -> dict[int, int]:
        """The keys of processes that opened something a moment ago; who is new is described now.

        0 for one that is gone. How many were, or were no more than a name, goes into the journal.
        """
        with self._telling:
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
        self._flush(everybody=True)

    def _flush(self, *, everybody: bool) -> None:
        with self._writing:
            batch = self._buffer.take()
            described = [self._described(found) for found in self._processes.take()]
            bonds = self._bonds(everybody=everybody)
            self._held.extend(described)
            if self._afterwards:
                batch.missed += sum(not (seen.process.exe and seen.process.argv) for seen in described)
            batches = batch_events(self.session, batch, self._sources)
            events = [*self._held, *bond_events(self.session, bonds), *batches]
            try:
                if events:
                    self._journal.append(events)
            except BaseException as error:
                self._buffer.put_back(batch)
                self._put_back(bonds)
                self._shorten()
                self.failure = str(error)
                raise
            self._held.clear()
            self.failure = None

    def _bonds(self, *, everybody: bool) -> Bonds:
        """Who ended, and who is linked to whom. Sources of pipes are looked for when their reader ended a turn ago, as
        somebody may be described late, or when `everybody` is to be known now.
        """
        ended = self._processes.ends.take()
        with self._telling:
            links = self._processes.links
            links.settle(self._gone)
            self._gone = ended
            if everybody:
                links.settle_all()
            return Bonds(ended, links.take())

    def _put_back(self, bonds: Bonds) -> None:
        self._processes.ends.put_back(bonds.ended)
        with self._telling:
            self._processes.links.put_back(bonds.links)

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
                self._flush(everybody=False)
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
