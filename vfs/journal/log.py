"""The log: an append-only, hash-chained list of records which many processes write to at once."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType

from vfs.errors import Corrupt
from vfs.files.private import private_dir
from vfs.journal import derived
from vfs.journal.chain import ORIGIN, Record, chain_hash
from vfs.journal.database import BUSY_SECONDS, NAME, connect, translated
from vfs.journal.events import Event, decode_event, encode_event, kind_of
from vfs.journal.head import Head, HeadFile
from vfs.model.ids import Digest

_INSERT = "INSERT INTO records(seq, time_ns, kind, body, previous, hash) VALUES(?,?,?,?,?,?)"
_SELECT = "SELECT seq, time_ns, kind, body, previous, hash FROM records"
# Rows fetched at a time while reading the log, so that a reader never holds the lock for long.
_PAGE = 1000
# Pages given back to the disk at a time: 4 MiB, some milliseconds.
_PAGES = 1024


class Transaction:
    """What is being written, in one go. `head` is the last record, those that were added here with it."""

    def __init__(self, conn: sqlite3.Connection, clock: Callable[[], int], head: Head) -> None:
        self.conn = conn
        self.head = head
        self._clock = clock

    def add(self, event: Event) -> None:
        """Add one record."""
        seq, now, kind, body = self.head.seq + 1, self._clock(), kind_of(event), encode_event(event)
        hash = chain_hash(self.head.hash, seq, now, kind, body)
        self.conn.execute(_INSERT, (seq, now, kind, body, self.head.hash, hash))
        derived.apply(self.conn, seq, event)
        self.head = Head(seq, hash)


class Journal:
    """The journal of one state directory.

    Records are numbered 1, 2, … without gaps; each holds the hash of the one before. A batch is one
    transaction: all of it is in the log, or nothing. Safe to use from several threads (one connection,
    guarded by a lock) and several processes (SQLite's write lock). Errors: JournalError; Corrupt for a damaged file.
    """

    def __init__(self, path: str, conn: sqlite3.Connection, head: HeadFile, clock: Callable[[], int]) -> None:
        """`Journal.open` is the way to get one."""
        self.path = path
        self._conn = conn
        self._head = head
        self._clock = clock
        self._lock = threading.RLock()

    @classmethod
    def open(cls, state_dir: str | os.PathLike[str], *, clock: Callable[[], int] = time.time_ns) -> Journal:
        """The journal in `state_dir` (made 0700 when absent), made when there is none yet."""
        directory = private_dir(state_dir)
        path = os.path.join(directory, NAME)
        head = HeadFile(path + ".head")
        try:
            with head.locked(seconds=BUSY_SECONDS):
                conn = connect(path)
        except BaseException:
            head.close()
            raise
        return cls(path, conn, head, clock)

    def append(self, events: Sequence[Event]) -> int:
        """Add one record per event, durably and all together; the number of the last record."""
        with self.transaction() as transaction:
            for event in events:
                transaction.add(event)
        return transaction.head.seq

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """The database, locked for writing: what is done to it within holds as a whole, durably, or not at all."""
        with self._lock, translated(self.path):
            self._conn.execute("BEGIN IMMEDIATE")
            try:
                tail = self._tail()
                transaction = Transaction(self._conn, self._clock, tail)
                yield transaction
                self._conn.execute("COMMIT")
            except BaseException:
                if self._conn.in_transaction:
                    self._conn.execute("ROLLBACK")
                raise
        # Only what is durable may be noted as the end.
        if transaction.head.seq > tail.seq:
            self._head.advance(transaction.head)

    def _tail(self) -> Head:
        row = self._conn.execute("SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1").fetchone()
        return Head(0, ORIGIN) if row is None else Head(*row)

    def tail(self) -> Head:
        """Number and hash of the last record; 0 and 32 zero bytes when there is none."""
        with self._lock, translated(self.path):
            return self._tail()

    def noted_head(self) -> Head | None:
        """What the head file says; JournalError when it is damaged."""
        return self._head.read()

    def records(self, *, after: int = 0) -> Iterator[Record]:
        """The records above number `after` as stored, in order."""
        while page := self.select(f"{_SELECT} WHERE seq > ? ORDER BY seq LIMIT {_PAGE}", (after,)):
            for row in page:
                record = _record(row, self.path)
                after = record.seq
                yield record

    def checkpoints(self) -> Iterator[Record]:
        """The records that say which others were taken out, as stored, in order."""
        for row in self.select(f"{_SELECT} WHERE kind = 'checkpoint' ORDER BY seq"):
            yield _record(row, self.path)

    def of_kinds(self, *kinds: str) -> Iterator[Record]:
        """The records of some kinds, none of them processes or reads, as stored, in order; all as of one moment."""
        marks = ", ".join("?" * len(kinds))
        query = f"{_SELECT} WHERE seq IN (SELECT seq FROM events WHERE kind IN ({marks})) ORDER BY seq"
        for row in self.select(query, kinds):
            yield _record(row, self.path)

    def record(self, seq: int) -> Record:
        """Record number `seq`, checked against its own hash; Corrupt when it is missing or altered."""
        rows = self.select(f"{_SELECT} WHERE seq = ?", (seq,))
        if not rows:
            raise Corrupt(f"journal {self.path}: record {seq}: missing")
        record = _record(rows[0], self.path)
        if not record.intact():
            raise Corrupt(f"journal {self.path}: record {seq}: altered")
        return record

    def event(self, seq: int) -> Event:
        """What record number `seq` says."""
        record = self.record(seq)
        return decode_event(record.kind, record.body, f"journal {self.path}: record {seq}")

    def select(self, query: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """All rows of one query."""
        with self._lock, translated(self.path):
            return self._conn.execute(query, tuple(values)).fetchall()

    def rebuild(self) -> int:
        """Make the query tables anew from the log; how many records were read."""
        count = 0
        with self.transaction() as transaction:
            derived.clear(transaction.conn)
            for record in self.records():
                what = f"journal {self.path}: record {record.seq}"
                derived.apply(transaction.conn, record.seq, decode_event(record.kind, record.body, what))
                count += 1
        return count

    def give_back(self) -> None:
        """Give the room that records took before they were taken out back to the disk, in steps of milliseconds.

        A file that an older version made is rewritten once for that, and writers wait meanwhile.
        """
        with self._lock, translated(self.path):
            if self._pragma("auto_vacuum") == 0:
                self._conn.execute("PRAGMA auto_vacuum=INCREMENTAL")
                self._conn.execute("VACUUM")
        left = -1
        while left:
            with self._lock, translated(self.path):
                # Of a script every step is made; by `execute` the first alone, one page.
                self._conn.executescript(f"PRAGMA incremental_vacuum({_PAGES})")
                before, left = left, self._pragma("freelist_count")
            if left == before:
                break
        with self._lock, translated(self.path):
            # Busy where others read; the next writer that finds the log long truncates it then.
            self._conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _pragma(self, name: str) -> int:
        return int(self._conn.execute(f"PRAGMA {name}").fetchone()[0])

    def close(self) -> None:
        """Release the database."""
        with self._lock:
            self._conn.close()
            self._head.close()

    def __enter__(self) -> Journal:
        """The journal itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the database."""
        self.close()


def _record(row: Sequence[object], path: str) -> Record:
    seq, time_ns, kind, body, previous, hash = row
    if not (
        isinstance(seq, int)
        and isinstance(time_ns, int)
        and isinstance(kind, str)
        and isinstance(body, bytes)
        and isinstance(previous, Digest)
        and isinstance(hash, Digest)
    ):
        raise Corrupt(f"journal {path}: record {seq}: a field of the wrong type")
    return Record(seq, time_ns, kind, body, previous, hash)
