"""The query tables: which record of the chain answers which question. Derived, never the only copy."""

from __future__ import annotations

import sqlite3

from vfs.journal.events import (
    CommitMade,
    Event,
    Gap,
    ProcessSeen,
    ReadsSeen,
    SessionEnd,
    SessionStart,
    Watching,
    kind_of,
)

TABLES = ("sessions", "processes", "reads", "commits", "events")


def apply(conn: sqlite3.Connection, seq: int, event: Event) -> None:
    """Bring the query tables up to date with the record `seq`, in the transaction that holds it."""
    if not isinstance(event, ProcessSeen | ReadsSeen):
        conn.execute("INSERT INTO events VALUES(?,?,?)", (seq, event.session, kind_of(event)))
    match event:
        case SessionStart():
            row = (event.session, event.kind, seq, "none")
            conn.execute("INSERT OR IGNORE INTO sessions(session, kind, started, level, gaps) VALUES(?,?,?,?,0)", row)
        case SessionEnd():
            changes = (seq, event.exit_code, event.session)
            conn.execute("UPDATE sessions SET ended=?, exit_code=? WHERE session=?", changes)
        case Watching():
            conn.execute("UPDATE sessions SET level=? WHERE session=?", (event.level, event.session))
        case Gap():
            conn.execute("UPDATE sessions SET gaps=gaps+? WHERE session=?", (event.count, event.session))
        case ProcessSeen():
            process = (event.session, event.process.key, seq)
            conn.execute("INSERT OR REPLACE INTO processes VALUES(?,?,?)", process)
        case ReadsSeen():
            conn.execute("INSERT INTO reads VALUES(?,?,?)", (seq, event.session, len(event.reads)))
        case CommitMade():
            commit = (event.commit, event.repo, event.branch, event.session, seq)
            conn.execute('INSERT INTO commits("commit", repo, branch, session, seq) VALUES(?,?,?,?,?)', commit)
        case _:
            pass


def clear(conn: sqlite3.Connection) -> None:
    """Empty the query tables."""
    for table in TABLES:
        conn.execute(f"DELETE FROM {table}")


def forget(conn: sqlite3.Connection, gone: str) -> None:
    """Take the records whose numbers are in the table `gone` out of the query tables; sessions are taken as a whole."""
    conn.execute(f"DELETE FROM sessions WHERE started IN (SELECT seq FROM {gone})")
    for table in TABLES:
        if table != "sessions":
            conn.execute(f"DELETE FROM {table} WHERE seq IN (SELECT seq FROM {gone})")
