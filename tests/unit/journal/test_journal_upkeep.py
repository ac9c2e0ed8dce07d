"""Compaction keeps the chain verifiable, sessions whole, the disk small; and it can be cut short anywhere."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from vfs.errors import Corrupt
from vfs.journal import upkeep
from vfs.journal.chain import Record, chain_hash
from vfs.journal.events import Checkpoint, Cut, Gap, ProcessSeen, ReadsSeen, SessionEnd, SessionStart, encode_event
from vfs.journal.log import Journal
from vfs.journal.upkeep import compact, plan
from vfs.journal.verify import verify
from vfs.model.record import Process

HOUR = 3_600_000_000_000
DEAD = 1 << 22


class Clock:
    """Goes on by a microsecond with each look, or by what is added."""

    def __init__(self) -> None:
        self.now = time.time_ns()

    def __call__(self) -> int:
        self.now += 1000
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(tmp_path: Path, clock: Clock) -> Iterator[Journal]:
    with Journal.open(tmp_path / "state", clock=clock) as opened:
        yield opened


def began(session: str, *, pid: int = DEAD, host: str = "") -> SessionStart:
    return SessionStart(
        session=session, kind="run", mountpoint=b"", command=(b"cmd", session.encode()), cwd=b"/", user="u", uid=0,
        host=host or socket.gethostname(), pid=pid, version="0",
    )  # fmt: skip


def process(session: str, key: int) -> ProcessSeen:
    seen = Process(key, 0, 5, 1, 0, b"/bin/sh", b"", (b"sh",), b"/", 0, "u", "")
    return ProcessSeen(session=session, process=seen)


def reads(session: str, count: int = 20) -> ReadsSeen:
    many = tuple((1, 0, b"f%d" % number, bytes(32)) for number in range(count))
    return ReadsSeen(session=session, sources=(("r", bytes(32)),), reads=many)


def whole(session: str) -> list[object]:
    return [began(session), process(session, 1), reads(session), SessionEnd(session=session, exit_code=0)]


@pytest.fixture
def written(journal: Journal, clock: Clock) -> int:
    """Records 1 to 4 are of session `a`, 5 to 8 of `b`, both old; 9 to 12 of `c`, of now. Gives the time between."""
    journal.append([*whole("a"), *whole("b")])
    clock.now += HOUR
    between = clock.now
    journal.append(whole("c"))
    return between


def change(journal: Journal, *statements: tuple[str, Sequence[object]]) -> None:
    other = sqlite3.connect(journal.path, isolation_level=None)
    for statement, values in statements:
        other.execute(statement, values)
    other.close()


def problems(journal: Journal) -> list[str]:
    return [str(problem) for problem in verify(journal).problems]


def tables(journal: Journal) -> list[list[tuple[object, ...]]]:
    names = ("sessions", "processes", "reads", "commits", "events")
    return [sorted(journal.select(f"SELECT * FROM {name}"), key=repr) for name in names]


def test_old_sessions_go_and_the_chain_stays_whole(journal: Journal, written: int) -> None:
    found = plan(journal, before_ns=written)
    assert (list(found.seqs), found.sessions) == ([*range(1, 9)], 2)
    before = journal.tail()
    assert compact(journal, found) == 8
    assert [record.seq for record in journal.records()] == [9, 10, 11, 12, 13]
    assert journal.record(13).previous == before.hash and journal.record(13).kind == "checkpoint"
    verdict = verify(journal)
    assert verdict.sound and (verdict.records, verdict.cut, verdict.head) == (5, 8, journal.tail())
    assert [session for (session,) in journal.select("SELECT session FROM sessions")] == ["c"]
    held = tables(journal)
    assert all(len(rows) for rows in held[:3])
    journal.rebuild()
    assert tables(journal) == held


def test_it_is_done_again_and_again(journal: Journal, clock: Clock) -> None:
    for name in "abcd":
        journal.append(whole(name))
        clock.now += HOUR
        compact(journal, plan(journal, before_ns=clock.now))
        assert verify(journal).sound
    assert verify(journal).cut == 16
    assert [record.kind for record in journal.records()] == ["checkpoint"] * 4
    assert compact(journal, plan(journal, before_ns=clock.now)) == 0


def test_an_empty_journal_has_nothing_to_take_out(journal: Journal) -> None:
    assert compact(journal, plan(journal, before_ns=1 << 62)) == 0
    assert journal.tail().seq == 0


def test_sessions_between_each_other_are_cut_apart(journal: Journal, clock: Clock) -> None:
    """A mount of months is kept, and what ran beside it goes."""
    journal.append([began("mount", pid=os.getpid())])
    for name in "ab":
        journal.append([*whole(name), reads("mount")])
    clock.now += HOUR
    found = plan(journal, before_ns=clock.now)
    assert (found.sessions, found.running) == (2, 1)
    compact(journal, found)
    assert [record.seq for record in journal.records()] == [1, 6, 11, 12]
    event = journal.event(12)
    assert isinstance(event, Checkpoint) and [(cut.first, cut.last) for cut in event.cuts] == [(2, 5), (7, 10)]
    assert verify(journal).sound
    journal.append([SessionEnd(session="mount", exit_code=0)])
    compact(journal, plan(journal, before_ns=1 << 62))
    assert verify(journal).sound and verify(journal).cut == 12


@pytest.mark.parametrize(
    ("start", "kept"),
    [
        (began("x", pid=os.getpid()), True),
        (began("x", pid=DEAD), False),
        # Nobody here can tell whether it goes on there.
        (began("x", pid=DEAD, host="elsewhere"), True),
    ],
    ids=["alive", "gone", "another host"],
)
def test_a_session_without_an_end_is_kept_while_it_may_run(journal: Journal, start: SessionStart, kept: bool) -> None:
    journal.append([start, reads("x")])
    found = plan(journal, before_ns=1 << 62)
    assert (found.running, len(found.seqs)) == ((1, 0) if kept else (0, 2))


def test_a_number_that_another_process_has_by_now_does_not_count(tmp_path: Path) -> None:
    """The session began long before the process that has its number now."""
    with Journal.open(tmp_path / "other", clock=lambda: 1000) as journal:
        journal.append([began("x", pid=os.getpid()), reads("x")])
        assert len(plan(journal, before_ns=1 << 62).seqs) == 2


def test_a_session_that_went_on_is_kept_as_a_whole(journal: Journal, written: int) -> None:
    journal.append([Gap(session="a", count=1, reason="late")])
    assert list(plan(journal, before_ns=written).seqs) == [5, 6, 7, 8]


def test_what_a_layer_needs_is_kept(journal: Journal, written: int) -> None:
    found = plan(journal, before_ns=written, needed={"b"})
    assert (list(found.seqs), found.needed) == ([1, 2, 3, 4], 1)


def test_nothing_is_taken_out_of_a_damaged_log(journal: Journal, written: int) -> None:
    found = plan(journal, before_ns=written)
    change(journal, ("UPDATE records SET time_ns = 5 WHERE seq = 3", ()))
    with pytest.raises(Corrupt, match="record 3: altered; nothing is taken out"):
        plan(journal, before_ns=written)
    # Altered between planning and doing.
    with pytest.raises(Corrupt, match="record 3: altered"):
        compact(journal, found)
    assert len(list(journal.records())) == 12


def test_the_disk_gets_its_room_back(journal: Journal, clock: Clock) -> None:
    for number in range(20):
        journal.append([began(f"s{number}"), *(reads(f"s{number}", 1000) for _ in range(5))])
    clock.now += HOUR
    before = os.path.getsize(journal.path) + os.path.getsize(journal.path + "-wal")
    compact(journal, plan(journal, before_ns=clock.now))
    after = os.path.getsize(journal.path) + os.path.getsize(journal.path + "-wal")
    assert before > 3_000_000 and after < before / 10


def test_a_file_of_an_older_version_gives_room_back_too(tmp_path: Path, clock: Clock) -> None:
    with Journal.open(tmp_path / "old", clock=clock) as made:
        path = made.path
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA auto_vacuum=NONE")
    conn.execute("VACUUM")
    assert conn.execute("PRAGMA auto_vacuum").fetchone() == (0,)
    conn.close()
    with Journal.open(tmp_path / "old", clock=clock) as journal:
        journal.append([began("s"), *(reads("s", 1000) for _ in range(40))])
        clock.now += HOUR
        compact(journal, plan(journal, before_ns=clock.now))
        assert os.path.getsize(path) < 300_000
        assert journal.select("PRAGMA auto_vacuum") == [(2,)]
        assert verify(journal).sound


@pytest.fixture
def compacted(journal: Journal, written: int, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """Records 1 to 8 are gone in two batches; 9 to 12 are there, 13 and 14 are checkpoints, 15 came afterwards."""
    monkeypatch.setattr(upkeep, "BATCH", 4)
    compact(journal, plan(journal, before_ns=written))
    journal.append([Gap(session="c", count=1, reason="after")])
    assert problems(journal) == []
    return journal


def forged(journal: Journal, cuts: tuple[Cut, ...]) -> None:
    """A checkpoint that hashes to what it says, in place of record 14, with the records after it made to fit."""
    body = encode_event(Checkpoint(before_ns=1, cuts=cuts))
    previous = journal.record(13).hash
    for seq, kind, held in ((14, "checkpoint", body), (15, "gap", journal.record(15).body)):
        hash = chain_hash(previous, seq, 7, kind, held)
        row = (7, kind, held, previous, hash, seq)
        change(journal, ("UPDATE records SET time_ns=?, kind=?, body=?, previous=?, hash=? WHERE seq=?", row))
        previous = hash
    Path(journal.path + ".head").write_bytes(b"%020d %s\n" % (15, previous.hex().encode()))


def swapped(journal: Journal, a: int, b: int) -> None:
    change(
        journal,
        ("UPDATE records SET seq = 1000 WHERE seq = ?", (a,)),
        ("UPDATE records SET seq = ? WHERE seq = ?", (a, b)),
        ("UPDATE records SET seq = ? WHERE seq = 1000", (b,)),
    )


def flipped(journal: Journal, seq: int) -> None:
    body = bytearray(journal.record(seq).body)
    body[-3] ^= 4
    change(journal, ("UPDATE records SET body = ? WHERE seq = ?", (bytes(body), seq)))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda log: flipped(log, 9), ["record 9: altered"]),
        (lambda log: flipped(log, 11), ["record 11: altered"]),
        (lambda log: flipped(log, 15), ["record 15: altered"]),
        # Nothing that an altered checkpoint says counts.
        (lambda log: flipped(log, 13), ["records 1 to 4: missing", "record 13: altered"]),
        (lambda log: flipped(log, 14), ["records 5 to 8: missing", "record 14: altered"]),
        (lambda log: change(log, ("DELETE FROM records WHERE seq = 9", ())), ["record 9: missing"]),
        (lambda log: change(log, ("DELETE FROM records WHERE seq = 11", ())), ["record 11: missing"]),
        (
            lambda log: change(log, ("DELETE FROM records WHERE seq = 13", ())),
            ["records 1 to 4: missing", "record 13: missing"],
        ),
        (
            lambda log: change(log, ("DELETE FROM records WHERE seq >= 14", ())),
            [
                "records 5 to 8: missing",
                "records 14 to 15: missing at the end: the head file knows of them",
            ],
        ),
        (
            lambda log: change(log, ("DELETE FROM records", ())),
            ["records 1 to 15: missing at the end: the head file knows of them"],
        ),
        (
            lambda log: swapped(log, 9, 10),
            ["record 9: reordered: it was written as record 10", "record 10: reordered: it was written as record 9"],
        ),
        (
            lambda log: swapped(log, 12, 13),
            [
                "records 1 to 4: missing",
                "record 12: reordered: it was written as record 13",
                "record 13: reordered: it was written as record 12",
            ],
        ),
        (
            lambda log: forged(log, (Cut(5, 8, b"x" * 32, log.record(9).previous),)),
            ["records 4 to 5: do not follow each other: one of the two was replaced"],
        ),
        (
            lambda log: forged(log, (Cut(5, 8, log_hash(log, 4), b"x" * 32),)),
            ["records 8 to 9: do not follow each other: one of the two was replaced"],
        ),
        (
            lambda log: forged(log, (Cut(3, 8, log_hash(log, 4), log.record(9).previous),)),
            [
                "records 3 to 8: checkpoints say twice that they were taken out",
                "records 5 to 8: missing",
            ],
        ),
        (
            lambda log: forged(log, (Cut(5, 10, log_hash(log, 4), log.record(11).previous),)),
            [
                "record 9: is here, and a checkpoint says that it was taken out",
                "record 10: is here, and a checkpoint says that it was taken out",
            ],
        ),
    ],
)  # fmt: skip
def test_tampering_around_a_checkpoint_is_named(
    compacted: Journal, harm: Callable[[Journal], None], told: list[str]
) -> None:
    harm(compacted)
    assert problems(compacted) == told


def log_hash(journal: Journal, seq: int) -> bytes:
    """The hash of a record that is gone, from the checkpoint that says so."""
    event = journal.event(13)
    assert isinstance(event, Checkpoint)
    return next(cut.hash for cut in event.cuts if cut.last == seq)


def test_a_head_file_that_names_a_record_taken_out_is_no_problem(journal: Journal, written: int) -> None:
    """The crash between the transaction and the head file, and the head file that contradicts a checkpoint."""
    for seq in (6, 8):
        Path(journal.path + ".head").write_bytes(b"%020d %s\n" % (seq, journal.record(seq).hash.hex().encode()))
        head = Path(journal.path + ".head").read_bytes()
    compact(journal, plan(journal, before_ns=written))
    Path(journal.path + ".head").write_bytes(head)
    assert problems(journal) == []
    Path(journal.path + ".head").write_bytes(b"%020d %s\n" % (8, b"ab" * 32))
    assert problems(journal) == ["record 8: is not the one the head file names: the log was rewritten"]


def test_writers_and_readers_go_on_meanwhile(journal: Journal, written: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "BATCH", 1)
    failed: list[BaseException] = []
    stop = threading.Event()

    def mount() -> None:
        try:
            with Journal.open(Path(journal.path).parent) as other:
                other.append([began("m", pid=os.getpid())])
                while not stop.is_set():
                    other.append([reads("m")])
                    assert other.select("SELECT count(*) FROM sessions")
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=mount)
    thread.start()
    try:
        compact(journal, plan(journal, before_ns=written))
    finally:
        stop.set()
        thread.join(60)
    assert failed == []
    verdict = verify(journal)
    assert verdict.sound and verdict.cut == 8


def test_what_is_taken_out_while_the_log_is_verified_is_not_missing(
    journal: Journal, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = plan(journal, before_ns=written)
    real = Journal.records

    def records(self: Journal, *, after: int = 0) -> Iterator[Record]:
        monkeypatch.setattr(Journal, "records", real)
        compact(journal, found)
        return real(self, after=after)

    monkeypatch.setattr(Journal, "records", records)
    verdict = verify(journal)
    assert verdict.sound and verdict.cut == 8


_KILLED = """
import os, signal, sys
from vfs.journal import upkeep
from vfs.journal.log import Journal
upkeep.BATCH = 3
left = int(sys.argv[3])
def step(statement):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
with Journal.open(sys.argv[1]) as journal:
    found = upkeep.plan(journal, before_ns=int(sys.argv[2]))
    journal._conn.set_trace_callback(step)
    upkeep.compact(journal, found)
"""


@pytest.mark.parametrize("place", [1, 5, 12, 14, 15, 20, 29, 31, 40, 1000])
def test_killed_at_any_statement_it_leaves_a_log_that_verifies(journal: Journal, written: int, place: int) -> None:
    state = str(Path(journal.path).parent)
    command = [sys.executable, "-c", textwrap.dedent(_KILLED), state, str(written), str(place)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode in (-signal.SIGKILL, 0), done.stderr.decode()
    # Small figures are inside the work, the largest is behind it.
    assert (done.returncode == 0) == (place == 1000)
    assert verify(journal).sound
    assert compact(journal, plan(journal, before_ns=written)) + verify(journal).cut >= 8
    assert verify(journal).sound and verify(journal).cut == 8
    assert [name for (name,) in journal.select("SELECT session FROM sessions")] == ["c"]
