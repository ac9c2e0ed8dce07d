"""What somebody with an editor for SQLite can do to the log, and what verification says of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from vfs.errors import Corrupt
from vfs.journal.chain import chain_hash
from vfs.journal.events import Gap
from vfs.journal.log import Journal
from vfs.journal.verify import verify

COUNT = 12


@pytest.fixture
def written(journal: Journal) -> Journal:
    journal.append([Gap(session="s", count=number, reason=f"number {number}") for number in range(COUNT)])
    return journal


def _change(journal: Journal, *statements: tuple[str, Sequence[object]]) -> None:
    other = sqlite3.connect(journal.path, isolation_level=None)
    for statement, values in statements:
        other.execute(statement, values)
    other.close()


def _problems(journal: Journal) -> list[str]:
    return [str(problem) for problem in verify(journal).problems]


def test_an_untouched_log_is_sound(written: Journal) -> None:
    verdict = verify(written)
    assert verdict.sound
    assert verdict.records == COUNT
    assert verdict.head == written.tail()


def test_an_empty_log_is_sound(journal: Journal) -> None:
    assert verify(journal).sound


@pytest.mark.parametrize("seq", [0, -3])
def test_a_record_below_the_first_is_told_and_vouches_for_nothing(written: Journal, seq: int) -> None:
    copied = "INSERT INTO records SELECT ?, time_ns, 'checkpoint', body, previous, hash FROM records WHERE seq = 1"
    _change(written, (copied, (seq,)))
    assert _problems(written) == [f"record {seq}: no record has such a number"]


@pytest.mark.parametrize("seq", [1, 5, COUNT])
@pytest.mark.parametrize(
    ("column", "value"), [("time_ns", 1), ("kind", "commit"), ("body", b"\x93\xa1s\x00\xa0"), ("previous", b"x" * 32)]
)
def test_one_changed_field_names_the_record(written: Journal, seq: int, column: str, value: object) -> None:
    _change(written, (f"UPDATE records SET {column} = ? WHERE seq = ?", (value, seq)))
    assert _problems(written) == [f"record {seq}: altered"]


@pytest.mark.parametrize("bit", [0, 3, 7])
def test_a_flipped_bit_of_a_body_names_the_record(written: Journal, bit: int) -> None:
    body = bytearray(written.record(6).body)
    body[len(body) // 2] ^= 1 << bit
    _change(written, ("UPDATE records SET body = ? WHERE seq = 6", (bytes(body),)))
    assert _problems(written) == ["record 6: altered"]
    with pytest.raises(Corrupt, match="record 6: altered"):
        written.event(6)


def test_a_record_rewritten_with_a_fitting_hash_breaks_the_chain(written: Journal) -> None:
    old = written.record(4)
    hash = chain_hash(old.previous, 4, 0, old.kind, old.body)
    _change(written, ("UPDATE records SET time_ns = 0, hash = ? WHERE seq = 4", (hash,)))
    assert _problems(written) == ["records 4 to 5: do not follow each other: one of the two was replaced"]


@pytest.mark.parametrize(
    ("first", "last", "named"),
    [(1, 1, "record 1"), (7, 7, "record 7"), (3, 9, "records 3 to 9"), (1, 11, "records 1 to 11")],
)
def test_dropped_records_are_missing(written: Journal, first: int, last: int, named: str) -> None:
    _change(written, ("DELETE FROM records WHERE seq BETWEEN ? AND ?", (first, last)))
    assert _problems(written) == [f"{named}: missing"]


def test_records_cut_off_the_end_are_missing(written: Journal) -> None:
    _change(written, ("DELETE FROM records WHERE seq > 8", ()))
    assert _problems(written) == ["records 9 to 12: missing at the end: the head file knows of them"]


def test_an_emptied_log_is_noticed(written: Journal) -> None:
    _change(written, ("DELETE FROM records", ()))
    assert _problems(written) == ["records 1 to 12: missing at the end: the head file knows of them"]


@pytest.mark.parametrize(("a", "b"), [(4, 5), (1, 2), (2, 9), (11, 12), (1, 12)])
def test_two_records_that_changed_places_are_named(written: Journal, a: int, b: int) -> None:
    _change(
        written,
        ("UPDATE records SET seq = 1000 WHERE seq = ?", (a,)),
        ("UPDATE records SET seq = ? WHERE seq = ?", (a, b)),
        ("UPDATE records SET seq = ? WHERE seq = 1000", (b,)),
    )
    told = _problems(written)
    assert told[0] == f"record {a}: reordered: it was written as record {b}"
    assert f"record {b}: reordered: it was written as record {a}" in told
    # Swapping the last record also contradicts the head file; nothing else may be blamed.
    assert len(told) == (3 if b == COUNT else 2)


def test_dropping_a_record_and_renumbering_the_rest_is_noticed(written: Journal) -> None:
    _change(
        written,
        ("DELETE FROM records WHERE seq = 5", ()),
        *(("UPDATE records SET seq = ? WHERE seq = ?", (seq - 1, seq)) for seq in range(6, COUNT + 1)),
    )
    told = _problems(written)
    assert told[0] == "record 5: reordered: it was written as record 6"
    assert told[-1] == "record 12: missing at the end: the head file knows of them"


def test_a_log_rewritten_from_some_record_on_contradicts_the_head_file(written: Journal) -> None:
    previous = written.record(9).hash
    for seq in range(10, COUNT + 1):
        old = written.record(seq)
        hash = chain_hash(previous, seq, 77, old.kind, old.body)
        _change(written, ("UPDATE records SET time_ns=77, previous=?, hash=? WHERE seq=?", (previous, hash, seq)))
        previous = hash
    assert _problems(written) == ["record 12: is not the one the head file names: the log was rewritten"]


def test_a_record_that_fits_the_chain_and_makes_no_sense_is_named(written: Journal) -> None:
    end = written.tail()
    hash = chain_hash(end.hash, COUNT + 1, 0, "rumour", b"?")
    insert = "INSERT INTO records(seq, time_ns, kind, body, previous, hash) VALUES(?,?,?,?,?,?)"
    _change(written, (insert, (COUNT + 1, 0, "rumour", b"?", end.hash, hash)))
    assert _problems(written) == ["record 13: makes no sense: record 13: unknown kind 'rumour'"]


def test_a_damaged_head_file_is_told_and_repaired_by_the_next_write(written: Journal) -> None:
    head = Path(written.path + ".head")
    head.write_bytes(b"0" * 86)
    assert "cannot be told to be the last" in _problems(written)[0]
    written.append([Gap(session="s", count=1, reason="next")])
    assert verify(written).sound


def test_a_lagging_head_file_is_no_problem(written: Journal) -> None:
    """A crash between the commit and the head file leaves the head behind."""
    head = Path(written.path + ".head").read_bytes()
    written.append([Gap(session="s", count=1, reason="next")])
    Path(written.path + ".head").write_bytes(head)
    assert verify(written).sound


def test_a_field_of_the_wrong_type_is_corrupt_not_a_crash(written: Journal) -> None:
    _change(written, ("UPDATE records SET body = 'text' WHERE seq = 3", ()))
    with pytest.raises(Corrupt, match="record 3: a field of the wrong type"):
        verify(written)
