"""Exported segments are verified by themselves, tampering with one is named, imported ones lie beside the journal."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from vfs.errors import AlreadyExists, Corrupt, LocalFull, LocalIOError, NotFound, Refused
from vfs.journal.carry import against_journal, export_segment, import_segment, imported
from vfs.journal.chain import ORIGIN, Record, chain_hash
from vfs.journal.events import CommitMade, Event, Gap, SessionEnd, SessionStart, session_of
from vfs.journal.log import Journal
from vfs.journal.segment import MAGIC, Frame, Frames, Held, Skipped, open_segment
from vfs.journal.segment_check import check_segment, segment_events, sound_segment
from vfs.journal.sessions import local_sessions, segment_sessions
from vfs.journal.upkeep import compact, plan

COUNT = 12


def start(session: str) -> SessionStart:
    return SessionStart(
        session=session, kind="run", mountpoint=b"", command=(b"c",), cwd=b"/", user="u", uid=0,
        host=socket.gethostname(), pid=1 << 22, version="0",
    )  # fmt: skip


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Twelve records: session `a` has the odd numbers, `b` the even ones."""
    with Journal.open(tmp_path / "state") as opened:
        events: list[Event] = [start("a"), start("b")]
        events += [Gap(session="ab"[number % 2], count=number, reason=f"number {number}") for number in range(2, 10)]
        commit = CommitMade(session="a", repo="r", branch="main", commit=b"c" * 32, record=b"")
        opened.append([*events, commit, SessionEnd(session="b", exit_code=3)])
        yield opened


def everything(record: Record) -> bool:
    return True


@pytest.fixture
def exported(journal: Journal, tmp_path: Path) -> str:
    path = str(tmp_path / "all.segment")
    found = export_segment(journal, path, selection="all", wanted=everything)
    assert found.sound and (found.records, found.last, found.hash) == (COUNT, COUNT, journal.tail().hash)
    return path


def told(path: str) -> list[str]:
    return [str(problem) for problem in check_segment(path).problems]


def test_a_part_holds_the_chain_over_what_is_left_out(journal: Journal, tmp_path: Path) -> None:
    path = str(tmp_path / "b.segment")
    found = export_segment(journal, path, selection="session b", wanted=lambda record: session_of(record.body) == "b")
    assert found.sound and found.records == 6
    # From the first record on, up to the end of the journal.
    assert (found.opening.first, found.last, found.hash) == (2, COUNT, journal.tail().hash)
    assert {event.session for _, event in segment_events(path)} == {"b"}
    with pytest.raises(NotFound):
        export_segment(journal, path + "2", selection="", wanted=lambda record: False)
    with pytest.raises(AlreadyExists):
        export_segment(journal, path, selection="", wanted=everything)


def test_what_was_compacted_away_is_left_out(journal: Journal, tmp_path: Path) -> None:
    archive = str(tmp_path / "archive.segment")
    before = plan(journal, before_ns=1 << 62)
    digest = export_segment(journal, archive, selection="archive", wanted=lambda one: one.seq in before.seqs).digest
    compact(journal, before, archive=digest)
    journal.append([start("late")])
    assert list(against_journal(journal, check_segment(archive))) == []
    path = str(tmp_path / "late.segment")
    assert export_segment(journal, path, selection="all", wanted=everything).sound
    assert told(archive) == []
    # The same records in a file that no checkpoint names.
    other = str(tmp_path / "other.segment")
    Path(other).write_bytes(Path(archive).read_bytes().replace(b"archive", b"brchive"))
    assert told(other) == ["records 1 to 12: are in order; something around them was altered"]
    assert len(list(against_journal(journal, check_segment(other)))) == 1


def test_what_is_taken_out_while_it_is_exported_leaves_no_file(journal: Journal, tmp_path: Path) -> None:
    # More than are read at a time.
    journal.append([Gap(session="a", count=1, reason="")] * 1_500)
    path = str(tmp_path / "partial.segment")

    def compacted_meanwhile(record: Record) -> bool:
        if record.seq == 900:
            compact(journal, plan(journal, before_ns=1 << 62))
        return True

    with pytest.raises(Refused, match=r"missing.*; records were taken out while it was written, export again"):
        export_segment(journal, path, selection="all", wanted=compacted_meanwhile)
    assert not os.path.lexists(path)
    assert export_segment(journal, path, selection="all", wanted=everything).sound


def test_an_archive_rewritten_with_hashes_that_fit_is_named(journal: Journal, tmp_path: Path) -> None:
    found = plan(journal, before_ns=1 << 62)
    compact(journal, found, archive=b"x" * 32)
    with Journal.open(tmp_path / "forger", clock=lambda: 7) as forger:
        forger.append([start("a")] * COUNT)
        path = str(tmp_path / "forged.segment")
        export_segment(forger, path, selection="archive", wanted=everything)
    differing = list(against_journal(journal, check_segment(path)))
    assert differing[0] == f"record {COUNT}: is not the one that was taken out of the journal"


class Edited:
    """A segment as frames that can be changed and written back, the digest left as it was."""

    def __init__(self, path: str) -> None:
        with open_segment(path) as file:
            frames = Frames(path, file)
            self.opening: Frame = frames.opening()
            self.frames = [frame for _, frame in frames.rest()]

    def bytes(self) -> bytes:
        data = [msgspec.msgpack.encode(frame) for frame in (self.opening, *self.frames)]
        return MAGIC + b"".join(struct.pack("<I", len(one)) + one for one in data)

    def altered(self, place: int, **fields: object) -> Edited:
        self.frames[place] = msgspec.structs.replace(self.frames[place], **fields)
        return self

    def without(self, *places: int) -> Edited:
        self.frames = [frame for place, frame in enumerate(self.frames) if place not in places]
        return self

    def swapped(self, a: int, b: int) -> Edited:
        self.frames[a], self.frames[b] = self.frames[b], self.frames[a]
        return self

    def inserted(self, place: int, frame: Frame) -> Edited:
        self.frames.insert(place, frame)
        return self


def held(edited: Edited, place: int) -> Held:
    frame = edited.frames[place]
    assert isinstance(frame, Held)
    return frame


def refitted(edited: Edited, place: int) -> Edited:
    """One record replaced, with a hash that fits it."""
    old = held(edited, place)
    return edited.altered(place, time_ns=5, hash=chain_hash(old.previous, old.seq, 5, old.kind, old.body))


def nonsense(edited: Edited) -> Edited:
    old = held(edited, 11)
    return edited.altered(11, kind="rumour", hash=chain_hash(old.previous, 12, old.time_ns, "rumour", old.body))


TAMPERED: dict[str, tuple[Callable[[Edited], Edited], list[str]]] = {
    "flip first": (lambda one: one.altered(0, time_ns=1), ["record 1: altered"]),
    "flip middle": (lambda one: one.altered(5, body=b"\x91\xa1z"), ["record 6: altered"]),
    "flip last": (lambda one: one.altered(11, kind="gap"), ["record 12: altered"]),
    "no time": (lambda one: one.altered(5, time_ns=1 << 63), ["record 6: altered"]),
    "drop first": (lambda one: one.without(0), ["record 1: missing"]),
    "drop middle": (lambda one: one.without(4, 5), ["records 5 to 6: missing"]),
    "drop last": (lambda one: one.without(11), ["record 12: missing at the end: the end of the file knows of them"]),
    "swap": (
        lambda one: one.swapped(2, 8),
        [
            "record 3: reordered: it stands where record 9 belongs",
            "record 9: reordered: it stands where record 3 belongs",
        ],
    ),
    "swap ends": (
        lambda one: one.swapped(0, 11),
        [
            "record 1: reordered: it stands where record 12 belongs",
            "record 12: reordered: it stands where record 1 belongs",
        ],
    ),
    "twice": (lambda one: one.inserted(4, one.frames[3]), ["record 4: is there twice"]),
    "replaced": (
        lambda one: refitted(one, 5),
        ["records 6 to 7: do not follow each other: one of the two was replaced"],
    ),
    "replaced last": (lambda one: refitted(one, 11), ["records 1 to 12: are not those that the end of the file names"]),
    "nonsense": (nonsense, ["record 12: makes no sense: record 12: unknown kind 'rumour'"]),
    "forged cut": (
        lambda one: one.without(4, 5).inserted(4, Skipped(5, 6, ORIGIN, held(one, 4).previous)),
        ["records 4 to 5: do not follow each other: one of the two was replaced"],
    ),
    "no end": (lambda one: one.without(12), ["record 12: is the last that can be read: the file is cut off"]),
    "two beginnings": (
        lambda one: one.inserted(3, one.opening),
        ["record 3: is the last that can be read: the file begins twice"],
    ),
}


@pytest.mark.parametrize("harm", TAMPERED)
def test_tampering_is_named_and_refused(exported: str, tmp_path: Path, harm: str) -> None:
    change, expected = TAMPERED[harm]
    Path(exported).write_bytes(change(Edited(exported)).bytes())
    assert told(exported)[: len(expected)] == expected
    with pytest.raises(Corrupt) as error:
        import_segment(str(tmp_path / "elsewhere"), exported)
    assert str(error.value).startswith(f"{exported}: {expected[0]}")
    assert imported(str(tmp_path / "elsewhere")) == []
    assert os.listdir(tmp_path / "elsewhere" / "journal-imported") == []


def test_every_flipped_byte_and_every_cut_is_noticed(exported: str) -> None:
    data = Path(exported).read_bytes()
    for place in range(0, len(data), 7):
        flipped = bytearray(data)
        flipped[place] ^= 0x10
        Path(exported).write_bytes(flipped)
        with pytest.raises(Corrupt):
            sound_segment(exported)
    for length in range(0, len(data), 29):
        Path(exported).write_bytes(data[:length])
        with pytest.raises(Corrupt):
            sound_segment(exported)
    Path(exported).write_bytes(data + b"\0")
    assert told(exported) == ["record 12: is the last that can be read: the file goes on behind its end"]


def test_what_is_no_segment_is_refused(tmp_path: Path) -> None:
    for data in (
        b"",
        b"x",
        MAGIC,
        MAGIC + b"\xff\xff\xff\xff",
        MAGIC + struct.pack("<I", 3) + b"\x93\xa1a",
        os.urandom(99),
    ):
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(Corrupt):
            check_segment(str(tmp_path / "x"))
    with pytest.raises(LocalIOError, match="none: cannot be read"):
        check_segment(str(tmp_path / "none"))


def test_what_is_no_segment_is_not_copied_first(tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match="/dev/zero: not a segment of a journal"):
        import_segment(str(tmp_path / "elsewhere"), "/dev/zero")


def test_imported_records_are_beside_the_journal_and_are_listed(exported: str, tmp_path: Path) -> None:
    state = str(tmp_path / "elsewhere")
    found, new = import_segment(state, exported)
    assert new and found.path == imported(state)[0]
    assert import_segment(state, exported)[1] is False and len(imported(state)) == 1
    assert os.stat(found.path).st_mode & 0o777 == 0o600
    lines = {line.start.session: line for line in segment_sessions(found.path, "h")}
    assert (lines["b"].exit_code, lines["a"].exit_code) == (3, None)
    assert [one.repo for one in lines["a"].commits] == ["r"]
    with Journal.open(state) as journal:
        assert local_sessions(journal) == []


def test_the_sessions_of_this_host(journal: Journal) -> None:
    lines = local_sessions(journal)
    assert [(line.start.session, line.exit_code, len(line.commits)) for line in lines] == [("a", None, 1), ("b", 3, 0)]


def test_a_damaged_journal_is_not_exported(journal: Journal, tmp_path: Path) -> None:
    with journal.transaction() as transaction:
        transaction.conn.execute("DELETE FROM records WHERE seq = 4")
    with pytest.raises(Corrupt, match="record 4: missing; a damaged log is not exported"):
        export_segment(journal, str(tmp_path / "x"), selection="all", wanted=everything)
    assert not (tmp_path / "x").exists()


def test_a_full_disk_leaves_no_part_of_a_file(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "out" / "x.segment"
    path.parent.mkdir()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LocalFull, match=r"x\.segment: cannot be written: no space left"):
        export_segment(journal, str(path), selection="all", wanted=everything)
    assert os.listdir(path.parent) == []
