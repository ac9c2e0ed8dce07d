from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vfs.errors import Corrupt, JournalError, LocalDenied
from vfs.journal import database
from vfs.journal.chain import ORIGIN
from vfs.journal.database import SCHEMA
from vfs.journal.events import Gap, SessionEnd
from vfs.journal.head import HeadFile
from vfs.journal.log import Journal
from vfs.journal.session import begin_session, end_session
from vfs.journal.verify import verify


def _gaps(count: int, *, session: str = "s") -> list[Gap]:
    return [Gap(session=session, count=number, reason="test") for number in range(count)]


def test_a_new_journal_is_private_and_empty(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "deep" / "state") as journal:
        assert journal.tail().seq == 0
        assert journal.tail().hash == ORIGIN
        assert list(journal.records()) == []
        journal.append(_gaps(1))
        modes = {
            name: stat.S_IMODE(os.stat(tmp_path / "deep/state" / name).st_mode)
            for name in os.listdir(tmp_path / "deep/state")
        }
    assert stat.S_IMODE(os.stat(tmp_path / "deep/state").st_mode) == 0o700
    assert "journal.db" in modes
    assert set(modes.values()) == {0o600}


def test_records_are_numbered_chained_and_come_back_as_they_were(journal: Journal) -> None:
    assert journal.append(_gaps(2)) == 2
    assert journal.append([SessionEnd(session="s", exit_code=3)]) == 3
    records = list(journal.records())
    assert [record.seq for record in records] == [1, 2, 3]
    assert records[0].previous == ORIGIN
    assert [record.previous for record in records[1:]] == [record.hash for record in records[:-1]]
    assert all(record.intact() for record in records)
    assert journal.event(3) == SessionEnd(session="s", exit_code=3)
    assert [record.seq for record in journal.records(after=2)] == [3]


def test_a_batch_is_in_the_log_as_a_whole_or_not_at_all(journal: Journal) -> None:
    journal.append(_gaps(1))
    pages = int(str(journal.select("PRAGMA page_count")[0][0]))
    journal.select(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(JournalError):
        journal.append([*_gaps(2), Gap(session="s", count=1, reason="x" * 100_000), *_gaps(1)])
    journal.select("PRAGMA max_page_count=1000000")
    assert journal.tail().seq == 1
    assert journal.append(_gaps(1)) == 2
    assert verify(journal).sound


def test_an_empty_batch_adds_nothing(journal: Journal) -> None:
    assert journal.append([]) == 0
    assert journal.noted_head() is None


def test_a_clock_that_jumps_changes_no_order(tmp_path: Path) -> None:
    times = iter([5_000, 1_000, -7, 9_000_000_000_000_000_000])
    with Journal.open(tmp_path / "state", clock=lambda: next(times)) as journal:
        journal.append(_gaps(4))
        assert [record.time_ns for record in journal.records()] == [5_000, 1_000, -7, 9_000_000_000_000_000_000]
        assert verify(journal).sound


def test_the_log_goes_on_after_it_was_opened_again(tmp_path: Path) -> None:
    for _ in range(3):
        with Journal.open(tmp_path / "state") as journal:
            journal.append(_gaps(2))
    with Journal.open(tmp_path / "state") as journal:
        assert journal.tail().seq == 6
        head = journal.noted_head()
        assert head is not None and head == journal.tail()
        assert verify(journal).sound


def test_query_tables_can_be_rebuilt_from_the_log(journal: Journal) -> None:
    session = begin_session(journal, kind="run", command=["true"], environment={})
    journal.append([Gap(session=session, count=7, reason="test")])
    end_session(journal, session, exit_code=4)
    query = "SELECT session, kind, started, ended, exit_code, level, gaps FROM sessions"
    before = journal.select(query)
    assert before == [(session, "run", 1, 3, 4, "none", 7)]
    with sqlite3.connect(journal.path) as other:
        other.execute("UPDATE sessions SET gaps = 0, kind = 'other'")
    other.close()
    assert journal.rebuild() == 3
    assert journal.select(query) == before


WRITER = """
import sys
from vfs.journal.events import Gap
from vfs.journal.log import Journal
with Journal.open(sys.argv[1]) as journal:
    for number in range(int(sys.argv[3])):
        journal.append([Gap(session=sys.argv[2], count=number, reason=reason) for reason in "ab"])
"""


def test_eight_processes_write_one_chain(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, state, f"p{number}", "25"]) for number in range(8)]
    assert [writer.wait(timeout=100) for writer in writers] == [0] * 8
    with Journal.open(state) as journal:
        verdict = verify(journal)
        assert verdict.problems == ()
        assert verdict.records == 8 * 25 * 2
        assert journal.noted_head() == journal.tail()
        events = [journal.event(record.seq) for record in journal.records()]
        for number in range(8):
            own = [event for event in events if event.session == f"p{number}"]
            assert [event.count for event in own if isinstance(event, Gap)] == [n for n in range(25) for _ in "ab"]
        # A batch is never torn apart by another writer.
        assert all(a.session == b.session for a, b in zip(events[::2], events[1::2], strict=True))


ENDLESS = """
import sys
from vfs.journal.events import Gap
from vfs.journal.log import Journal
with Journal.open(sys.argv[1]) as journal:
    number = 0
    while True:
        number = journal.append([Gap(session="k", count=1, reason="x" * 200) for _ in range(20)])
        print(number, flush=True)
"""


def test_kill_at_any_time_leaves_a_chain_that_holds_what_was_confirmed(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    for turn in range(6):
        writer = subprocess.Popen([sys.executable, "-c", ENDLESS, state], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        confirmed = int(writer.stdout.readline())
        time.sleep(0.013 * turn)
        writer.kill()
        rest = writer.stdout.read().split("\n")
        writer.wait(timeout=10)
        writer.stdout.close()
        confirmed = max([confirmed, *(int(line) for line in rest[:-1] if line)])
        with Journal.open(state) as journal:
            verdict = verify(journal)
            assert verdict.problems == ()
            assert verdict.head.seq >= confirmed
            assert verdict.head.seq % 20 == 0


def test_a_held_database_is_an_error_that_says_so(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sqlite3.connect(journal.path, isolation_level=None)
    journal.select("PRAGMA busy_timeout=50")
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(JournalError, match=r"journal .*/journal\.db: held by another process"):
            journal.append(_gaps(1))
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert journal.append(_gaps(1)) == 1


def test_a_full_disk_is_an_error_that_says_so_and_costs_nothing_else(journal: Journal) -> None:
    journal.append(_gaps(1))
    pages = int(str(journal.select("PRAGMA page_count")[0][0]))
    journal.select(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(JournalError, match="no room left on its disk"):
        journal.append([Gap(session="s", count=1, reason="x" * 100_000)])
    journal.select("PRAGMA max_page_count=1000000")
    assert journal.append(_gaps(1)) == 2
    assert verify(journal).sound


def test_a_writer_waits_for_another(journal: Journal) -> None:
    other = sqlite3.connect(journal.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
    release.start()
    assert journal.append(_gaps(1)) == 1
    release.join()
    other.close()


def test_a_file_that_is_no_database_is_corrupt_and_left_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "journal.db").write_bytes(b"not a database at all" * 500)
    with pytest.raises(Corrupt, match=r"journal\.db: file is not a database"):
        Journal.open(state)
    assert (state / "journal.db").read_bytes() == b"not a database at all" * 500


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    Journal.open(tmp_path / "state").close()
    with sqlite3.connect(tmp_path / "state/journal.db") as other:
        other.execute(f"PRAGMA user_version={SCHEMA + 1}")
    other.close()
    with pytest.raises(JournalError, match=f"schema {SCHEMA + 1}, this version knows {SCHEMA}"):
        Journal.open(tmp_path / "state")


def test_a_symlink_in_place_of_the_state_directory_or_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "state").symlink_to("elsewhere")
    with pytest.raises(LocalDenied, match="symlink"):
        Journal.open(tmp_path / "state")
    (tmp_path / "elsewhere/journal.db").symlink_to("/tmp/other.db")
    with pytest.raises(JournalError, match=r"journal\.db: cannot be opened"):
        Journal.open(tmp_path / "elsewhere")


def test_opening_twice_at_once_makes_one_schema(tmp_path: Path) -> None:
    code = "import sys\nfrom vfs.journal.log import Journal\nJournal.open(sys.argv[1]).close()"
    openers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "state")]) for _ in range(6)]
    assert [opener.wait(timeout=60) for opener in openers] == [0] * 6


def test_an_up_to_date_journal_opens_without_sqlite_utils(tmp_path: Path) -> None:
    Journal.open(tmp_path / "state").close()
    code = (
        "import sys\nfrom vfs.journal.log import Journal\nJournal.open(sys.argv[1]).close()\n"
        "sys.exit('sqlite_utils' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "state")], timeout=60).returncode == 0


def test_the_head_file_never_goes_back(tmp_path: Path) -> None:
    from vfs.journal.head import Head

    head = HeadFile(str(tmp_path / "head"))
    head.advance(Head(9, b"9" * 32))
    head.advance(Head(4, b"4" * 32))
    assert head.read() == Head(9, b"9" * 32)
    head.close()


def test_busy_seconds_are_those_of_the_message() -> None:
    assert database.BUSY_SECONDS >= 5


def test_a_stopped_process_that_holds_the_head_stops_nobody(journal: Journal) -> None:
    holder = os.open(journal.path + ".head", os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        start = time.monotonic()
        assert journal.append(_gaps(1)) == 1
        assert time.monotonic() - start < 8
        assert journal.noted_head() is None
        assert verify(journal).sound
    finally:
        os.close(holder)
    journal.append(_gaps(1))
    assert journal.noted_head() == journal.tail()


def test_every_migration_is_counted(journal: Journal) -> None:
    assert journal.select("SELECT count(*) FROM _sqlite_migrations") == [(SCHEMA,)]
    assert journal.select("PRAGMA user_version") == [(SCHEMA,)]
