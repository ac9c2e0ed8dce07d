"""The journal's database file: where it lies, its tables, its migrations, and its errors in our words."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vfs.errors import Corrupt, JournalError
from vfs.journal.events import session_of

if TYPE_CHECKING:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

NAME = "journal.db"
# Number of migrations below; kept in PRAGMA user_version so that an up-to-date file costs no import of sqlite_utils.
SCHEMA = 2
# A writer holds the database for one batch, a few milliseconds; this long means that something is stuck.
BUSY_SECONDS = 10.0


@contextlib.contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn sqlite3 errors into JournalError or, for a damaged file, Corrupt."""
    try:
        yield
    except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
        raise JournalError(f"journal {path}: {_cause(error)}") from error
    except sqlite3.DatabaseError as error:
        raise Corrupt(f"journal {path}: {error}") from error


def _cause(error: sqlite3.DatabaseError) -> str:
    text = str(error).rstrip(".").replace("Cannot operate on a closed database", "is closed")
    if "locked" in text or "busy" in text:
        return f"held by another process for over {BUSY_SECONDS:.0f} s"
    if "full" in text:
        return "no room left on its disk"
    if "readonly" in text or "unable to open" in text:
        return f"cannot be written: {text}"
    return text


def connect(path: str) -> sqlite3.Connection:
    """A connection to the journal at `path`, made (0600) and migrated when needed.

    Usable from any thread, one at a time. Commits are durable when they return (synchronous=FULL), so the
    head file is never ahead of the database. Errors: JournalError, Corrupt.
    """
    _make_private(path)
    with translated(path):
        conn = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            # Of a file that is made now: what is taken out of it can be given back to the disk bit by bit.
            conn.execute("PRAGMA auto_vacuum=INCREMENTAL")
            conn.execute("PRAGMA journal_mode=WAL")
            conn.execute("PRAGMA synchronous=FULL")
            _migrate(conn, path)
        except BaseException:
            conn.close()
            raise
    return conn


def _make_private(path: str) -> None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise JournalError(f"journal {path}: cannot be opened: {error.strerror}") from error


def _migrate(conn: sqlite3.Connection, path: str) -> None:
    version = int(conn.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA:
        raise JournalError(f"journal {path}: schema {version}, this version knows {SCHEMA}; a newer vfs is needed")
    if version < SCHEMA:
        from sqlite_utils import Database

        _migrations().apply(Database(conn))
        conn.execute(f"PRAGMA user_version={SCHEMA}")


def _migrations() -> Migrations:
    from sqlite_utils.migrations import Migrations

    migrations = Migrations("journal")

    @migrations(name="0001-records")
    def records(db: Database) -> None:
        _create_records(db)
        create_derived(db)

    @migrations(name="0002-events")
    def events(db: Database) -> None:
        _create_events(db)
        _fill_events(db)

    return migrations


def _create_events(db: Database) -> None:
    """Which records of each kind a session has; its processes and reads, of which there may be many, aside."""
    db.table("events").create({"seq": int, "session": str, "kind": str}, pk="seq")
    db.table("events").create_index(["session", "kind", "seq"])


def _fill_events(db: Database) -> None:
    rows = db.conn.execute("SELECT seq, kind, body FROM records WHERE kind NOT IN ('process', 'read') ORDER BY seq")
    for seq, kind, body in rows:
        db.conn.execute("INSERT INTO events VALUES(?,?,?)", (seq, session_of(body), kind))


def _create_records(db: Database) -> None:
    columns = {"seq": int, "time_ns": int, "kind": str, "body": bytes, "previous": bytes, "hash": bytes}
    db.table("records").create(columns, pk="seq", not_null=[name for name in columns if name != "seq"])


def create_derived(db: Database) -> None:
    """Make the query tables; everything in them can be rebuilt from `records`."""
    db.table("sessions").create(
        {"session": str, "kind": str, "started": int, "ended": int, "exit_code": int, "level": str, "gaps": int},
        pk="session",
    )
    db.table("processes").create({"session": str, "key": int, "seq": int}, pk=("session", "key"))
    db.table("reads").create({"seq": int, "session": str, "count": int}, pk="seq")
    db.table("reads").create_index(["session", "seq"])
    db.table("commits").create({"commit": bytes, "repo": str, "branch": str, "session": str, "seq": int}, pk="seq")
    db.table("commits").create_index(["commit"])
