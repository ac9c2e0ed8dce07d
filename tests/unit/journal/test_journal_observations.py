"""Observations of every kind: one count over all, bounded, kept compact, found by session and kind."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from vfs.errors import Corrupt, JournalError
from vfs.journal import observe
from vfs.journal.batches import batch_events
from vfs.journal.buffer import FULL_ABSENT, FULL_LISTED, FULL_OUTSIDE, FULL_WRITES, Buffer
from vfs.journal.events import (
    AbsentSeen,
    FirstSeen,
    Gap,
    ListedSeen,
    OutsideSeen,
    ReadsSeen,
    Watching,
    Wrote,
    encode_event,
    session_of,
)
from vfs.journal.log import Journal
from vfs.journal.observe import MORE_ABSENT, MORE_OUTSIDE, Observer
from vfs.journal.select import select_events
from vfs.journal.session import begin_session

COMMIT = b"c" * 32
DIGEST = b"d" * 32
NOBODY = 0


@pytest.fixture
def session(journal: Journal) -> str:
    return begin_session(journal, kind="run", command=["test"], environment={})


@pytest.fixture
def observer(journal: Journal, session: str) -> Iterator[Observer]:
    with Observer(journal, session, root_pid=os.getpid(), interval=60) as observing:
        yield observing


def read(observer: Observer, path: bytes) -> None:
    observer.read(NOBODY, "images", COMMIT, path, DIGEST)


def list_(observer: Observer, path: bytes) -> None:
    observer.listed(NOBODY, "images", COMMIT, path)


def miss(observer: Observer, path: bytes) -> None:
    observer.absent(NOBODY, "images", COMMIT, path)


def numbered(journal: Journal, session: str, kind: type[FirstSeen]) -> list[tuple[bytes, int]]:
    """Path and number of each observation of a kind."""
    return [
        (path, at)
        for event in select_events(journal, session, kind)
        for (_, _, path, _), at in zip(event.reads, event.numbers(), strict=True)
    ]


def test_one_count_runs_over_all_kinds(journal: Journal, session: str, observer: Observer) -> None:
    read(observer, b"a")
    list_(observer, b"")
    miss(observer, b"no")
    for _ in range(2):
        read(observer, b"b")
    observer.wrote(NOBODY, 7, 70)
    list_(observer, b"d")
    observer.wrote(NOBODY, 7, 71)
    read(observer, b"c")
    observer.wrote(NOBODY, 7, 70)
    observer.flush()
    read(observer, b"later")
    observer.flush()
    assert numbered(journal, session, ReadsSeen) == [(b"a", 1), (b"b", 4), (b"c", 8), (b"later", 10)]
    assert numbered(journal, session, ListedSeen) == [(b"", 2), (b"d", 6)]
    assert numbered(journal, session, AbsentSeen) == [(b"no", 3)]
    (wrote,) = select_events(journal, session, Wrote)
    assert wrote.writes == ((NOBODY, 7, 70, 9), (NOBODY, 7, 71, 7))


def test_each_kind_keeps_the_first_of_each(journal: Journal, session: str, observer: Observer) -> None:
    for _ in range(3):
        for tell in (read, list_, miss):
            tell(observer, b"a")
        observer.outside(NOBODY, b"/etc/hosts")
        observer.flush()
    observer.outside(1, b"/etc/hosts")
    observer.flush()
    for kind in (ReadsSeen, ListedSeen, AbsentSeen):
        assert [path for path, _ in numbered(journal, session, kind)] == [b"a"]
    opens = [one for event in select_events(journal, session, OutsideSeen) for one in event.opens]
    assert opens == [(NOBODY, b"/etc/hosts"), (1, b"/etc/hosts")]


def test_reads_in_a_row_need_no_numbers(journal: Journal, session: str, observer: Observer) -> None:
    for number in range(2000):
        read(observer, b"%04d" % number)
    observer.flush()
    events = list(select_events(journal, session, ReadsSeen))
    assert [(len(event.reads), event.first, event.ats) for event in events] == [(1024, 1, ()), (976, 1025, ())]
    held = [len(encode_event(event)) for event in events]
    # 77 bytes a read, of which the digest takes 34: a million reads stay well below 100 MB.
    assert sum(held) / 2000 < 50


def test_numbers_that_do_not_fit_are_corrupt() -> None:
    event = ReadsSeen(session="s", sources=(), reads=(), first=1, ats=(0, 1))
    with pytest.raises(Corrupt, match="session s: 0 observations in 2 places"):
        event.numbers()


def test_reads_of_an_older_journal_have_no_numbers() -> None:
    body = msgspec.msgpack.encode(["s", [["images", COMMIT]], [[1, 0, b"a", DIGEST], [1, 0, b"b", DIGEST]]])
    event = msgspec.msgpack.decode(body, type=ReadsSeen)
    assert list(event.numbers()) == [0, 0]


def test_what_cannot_be_held_is_counted_by_kind(journal: Journal, session: str) -> None:
    observing = Observer(journal, session, interval=60, limit=10)
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    journal.select("PRAGMA busy_timeout=30")
    for number in range(25):
        list_(observing, b"%02d" % number)
        miss(observing, b"%02d" % number)
        observing.wrote(NOBODY, 1, number)
        observing.outside(NOBODY, b"/%02d" % number)
        if number == 5:
            with pytest.raises(JournalError, match="held by another process"):
                observing.flush()
    other.execute("ROLLBACK")
    other.close()
    observing.close()
    gaps = {event.reason: event.count for event in select_events(journal, session, Gap)}
    assert gaps == dict.fromkeys((FULL_LISTED, FULL_ABSENT, FULL_WRITES, FULL_OUTSIDE), 15)
    assert [path for path, _ in numbered(journal, session, AbsentSeen)] == [b"%02d" % number for number in range(10)]


def test_put_back_keeps_the_order_and_counts_what_no_longer_fits() -> None:
    buffer = Buffer(3)
    for path in (b"a", b"b"):
        buffer.add(ReadsSeen, 1, 0, path, DIGEST)
    buffer.write((1, 1, 1))
    buffer.miss(2)
    first = buffer.take()
    for path in (b"c", b"d"):
        buffer.add(ReadsSeen, 1, 0, path, DIGEST)
    for inode in (1, 2, 3, 4):
        buffer.write((1, 1, inode))
    buffer.put_back(first)
    batch = buffer.take()
    assert [(path, at) for _, _, path, _, at in batch.seen[ReadsSeen]] == [(b"a", 1), (b"b", 2), (b"c", 4)]
    assert batch.writes == {(1, 1, 1): 6, (1, 1, 2): 7, (1, 1, 3): 8}
    assert (sum(batch.lost.values()), batch.missed, len(buffer)) == (2, 2, 0)
    assert [type(event) for event in batch_events("s", batch, [("images", COMMIT)])][:2] == [ReadsSeen, Wrote]


def test_names_looked_up_in_vain_have_an_end(
    journal: Journal, session: str, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observer, "_absent_left", 3)
    monkeypatch.setattr(observe, "OUTSIDE_MAX", 3)
    for number in range(5):
        miss(observer, b"%d" % number)
        observer.outside(NOBODY, b"/%d" % number)
    observer.flush()
    assert [path for path, _ in numbered(journal, session, AbsentSeen)] == [b"0", b"1", b"2"]
    gaps = {event.reason: event.count for event in select_events(journal, session, Gap)}
    assert gaps == {MORE_ABSENT: 2, MORE_OUTSIDE: 2}
    assert journal.select("SELECT gaps FROM sessions WHERE session = ?", (session,)) == [(4,)]


def test_a_kind_is_selected_for_one_session_alone(journal: Journal, session: str, observer: Observer) -> None:
    miss(observer, b"mine")
    with Observer(journal, begin_session(journal, kind="mount", environment={}), interval=60) as other:
        miss(other, b"another's")
    observer.flush()
    assert [path for path, _ in numbered(journal, session, AbsentSeen)] == [b"mine"]
    assert [event.level for event in select_events(journal, session, Watching)] == ["open"]
    journal.rebuild()
    assert [path for path, _ in numbered(journal, session, AbsentSeen)] == [b"mine"]


def test_a_table_that_names_the_wrong_record_is_corrupt(journal: Journal, session: str) -> None:
    journal.append([Gap(session="another", count=1, reason="x")])
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("UPDATE events SET session = ?", (session,))
    other.close()
    with pytest.raises(Corrupt, match="no 'gap' record of session"):
        list(select_events(journal, session, Gap))


# What made the tables of a journal of schema 1.
SCHEMA_1 = """
CREATE TABLE records (seq INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL,
    previous BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TABLE sessions (session TEXT PRIMARY KEY, kind TEXT, started INTEGER, ended INTEGER, exit_code INTEGER,
    level TEXT, gaps INTEGER);
CREATE TABLE processes (session TEXT, key INTEGER, seq INTEGER, PRIMARY KEY (session, key));
CREATE TABLE reads (seq INTEGER PRIMARY KEY, session TEXT, count INTEGER);
CREATE INDEX idx_reads_session_seq ON reads (session, seq);
CREATE TABLE commits ("commit" BLOB, repo TEXT, branch TEXT, session TEXT, seq INTEGER PRIMARY KEY);
CREATE INDEX idx_commits_commit ON commits ("commit");
CREATE TABLE _sqlite_migrations (id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT, applied_at TEXT);
CREATE UNIQUE INDEX idx__sqlite_migrations_migration_set_name ON _sqlite_migrations (migration_set, name);
INSERT INTO _sqlite_migrations VALUES (1, 'journal', '0001-records', '2026-01-01T00:00:00+00:00');
PRAGMA user_version = 1;
"""


def make_old(state: Path) -> str:
    """A journal as the version before left it: with a session, a gap, reads, and a record that makes no sense."""
    with Journal.open(state) as journal:
        session = begin_session(journal, kind="run", command=["test"], environment={})
        reads = ReadsSeen(session=session, sources=(("images", COMMIT),), reads=((0, 0, b"a", DIGEST),))
        journal.append([Gap(session=session, count=2, reason="why"), reads])
        rows = journal.select("SELECT seq, time_ns, kind, body, previous, hash FROM records")
        tables = {
            table: journal.select(f"SELECT * FROM {table}") for table in ("sessions", "processes", "reads", "commits")
        }
    for path in state.glob("journal.db*"):
        if path.name != "journal.db.head":
            path.unlink()
    old = sqlite3.connect(state / "journal.db")
    old.executescript(SCHEMA_1)
    for table, held in {"records": rows, **tables}.items():
        for row in held:
            old.execute(f"INSERT INTO {table} VALUES({','.join('?' * len(row))})", row)
    old.commit()
    old.close()
    return session


def test_an_existing_journal_opens_and_goes_on(tmp_path: Path) -> None:
    session = make_old(tmp_path / "state")
    with Journal.open(tmp_path / "state") as journal:
        assert [event.reason for event in select_events(journal, session, Gap)] == ["why"]
        assert numbered(journal, session, ReadsSeen) == [(b"a", 0)]
        with Observer(journal, session, interval=60) as observing:
            miss(observing, b"no")
        assert numbered(journal, session, AbsentSeen) == [(b"no", 1)]
        before = journal.select("SELECT * FROM events ORDER BY seq")
        journal.rebuild()
        assert journal.select("SELECT * FROM events ORDER BY seq") == before
    with Journal.open(tmp_path / "state") as journal:
        assert journal.select("PRAGMA user_version") == [(2,)]


def test_an_existing_journal_is_brought_up_to_date_once(tmp_path: Path) -> None:
    make_old(tmp_path / "state")
    code = "import sys\nfrom vfs.journal.log import Journal\nJournal.open(sys.argv[1]).close()"
    openers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "state")]) for _ in range(3)]
    assert [opener.wait(timeout=60) for opener in openers] == [0] * 3


def test_a_damaged_record_does_not_keep_an_older_journal_from_opening(tmp_path: Path) -> None:
    make_old(tmp_path / "state")
    old = sqlite3.connect(tmp_path / "state" / "journal.db")
    old.execute("UPDATE records SET body = x'c1' WHERE kind = 'gap'")
    old.commit()
    old.close()
    with Journal.open(tmp_path / "state") as journal:
        assert journal.select("SELECT count(*) FROM events") == [(2,)]


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x01", b"\x90", b"\x91\x01"])
def test_a_body_that_makes_no_sense_is_about_no_session(body: bytes) -> None:
    assert session_of(body) == ""
