"""Reads that are told many at once: the same records as one by one, room for them, what does not fit."""

from __future__ import annotations

import random
import sqlite3

import pytest

from vfs.errors import JournalError
from vfs.journal.buffer import FULL
from vfs.journal.events import Gap, ReadsSeen
from vfs.journal.log import Journal
from vfs.journal.observe import Observer
from vfs.journal.seen import Seen
from vfs.journal.session import begin_session

COMMIT = b"c" * 32


def files(rows: list[int]) -> list[tuple[int, bytes, bytes]]:
    """Files of a commit."""
    return [(row, b"f%06d" % row, row.to_bytes(32, "big")) for row in rows]


def reads(journal: Journal, session: str) -> list[tuple[int, bytes, bytes, int]]:
    """(process, path, digest, number in the order of all) of each read in the journal."""
    found = []
    for record in journal.records():
        event = journal.event(record.seq)
        if isinstance(event, ReadsSeen) and event.session == session:
            ats = event.ats or range(len(event.reads))
            for at, (process, _, path, digest) in zip(ats, event.reads, strict=True):
                found.append((process, path, digest, event.first + at))
    return found


def test_what_is_missing_is_what_was_not_added() -> None:
    drawn = random.Random(5)
    for _ in range(50):
        seen, added = Seen(), set[int]()
        for _ in range(6):
            rows = [drawn.randrange(400) for _ in range(drawn.randrange(60))]
            if drawn.random() < 0.5:
                rows.sort()
            seen.add_all(7, 1, rows)
            added.update(rows)
        asked = [drawn.randrange(450) for _ in range(200)]
        assert seen.missing(7, 1, asked) == [row for row in asked if row not in added]
        assert seen.missing(8, 1, asked) == asked == seen.missing(7, 0, asked)
        assert all(seen.has(7, 1, row) for row in added)


def test_many_reads_are_recorded_in_their_order_and_once(journal: Journal) -> None:
    session = begin_session(journal, kind="mount", environment={})
    rows = random.Random(1).sample(range(10_000), 3_000)
    with Observer(journal, session, interval=60) as observer:
        assert observer.unread(5, "images", COMMIT, rows) == rows
        observer.read_all(5, "images", COMMIT, files(rows))
        assert observer.unread(5, "images", COMMIT, [*rows, 10_001]) == [10_001]
        assert observer.unread(6, "images", COMMIT, rows) == rows
        observer.read(5, "images", COMMIT, b"last", bytes(32), row=10_002)
    expected = [(5, path, digest, at) for at, (_, path, digest) in enumerate(files(rows), 1)]
    assert reads(journal, session) == [*expected, (5, b"last", bytes(32), 3_001)]


def test_many_reads_wait_for_a_writer_that_is_behind(journal: Journal) -> None:
    session = begin_session(journal, kind="mount", environment={})
    with Observer(journal, session, interval=60, limit=400) as observer:
        for start in range(0, 4_000, 200):
            observer.read_all(5, "images", COMMIT, files(list(range(start, start + 200))))
    assert len(reads(journal, session)) == 4_000
    assert not [record for record in journal.records() if record.kind == "gap"]


def test_what_does_not_fit_is_a_gap_and_not_known(journal: Journal) -> None:
    session = begin_session(journal, kind="mount", environment={})
    observer = Observer(journal, session, interval=60, limit=100)
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    journal.select("PRAGMA busy_timeout=30")
    observer.read_all(5, "images", COMMIT, files(list(range(60))))
    with pytest.raises(JournalError, match="held by another process"):
        observer.flush()
    observer.read_all(5, "images", COMMIT, files(list(range(60, 130))))
    other.execute("ROLLBACK")
    other.close()
    observer.close()
    assert [path for _, path, _, _ in reads(journal, session)] == [b"f%06d" % row for row in range(100)]
    gaps = [event for record in journal.records() if isinstance(event := journal.event(record.seq), Gap)]
    assert [(gap.count, gap.reason) for gap in gaps] == [(30, FULL)]
    assert observer.unread(5, "images", COMMIT, [99, 100]) == [100]
