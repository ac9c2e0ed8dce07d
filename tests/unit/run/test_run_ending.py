"""What is told when the end of a run cannot be recorded: the first error, and beside it what else went wrong."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from vfs.cli import frame
from vfs.cli.call import Call
from vfs.errors import Conflict
from vfs.journal.log import Journal
from vfs.journal.session import begin_session
from vfs.model.commit import Commit, Locations, StoredCommit
from vfs.model.entry import BlobRef
from vfs.run.ending import ended, noted, removed, with_lines
from vfs.run.place import RunPlace

D = bytes(32)


def closed_journal(state: Path) -> tuple[Journal, str]:
    """A journal that takes no more, and a session that began in it."""
    journal = Journal.open(state)
    session = begin_session(journal, kind="run")
    journal.close()
    return journal, session


def test_a_journal_that_takes_nothing_gives_lines_and_no_error(tmp_path: Path) -> None:
    journal, session = closed_journal(tmp_path)
    (line,) = ended(journal, session, exit_code=3)
    assert line == f"the end of session {session} could not be recorded: journal {journal.path}: is closed"
    commit = Commit(
        repo="r", parents=(), root=D, entries=0, size=0, author="a", time_ns=0, message="", inputs=(), command=(),
        record=b"",
    )  # fmt: skip
    stored = StoredCommit(D, commit, Locations(BlobRef(D, 0, 0, 0, D)))
    (line,) = noted(journal, session, stored=stored, branch="main", outputs=())
    assert line.startswith("the commit stands, and ") and line.endswith("is closed")
    with Journal.open(tmp_path) as journal:
        assert ended(journal, session, exit_code=0) == ()


def test_the_first_error_comes_first_and_keeps_its_class() -> None:
    error = Conflict("r@main: moved")
    assert with_lines(error) is error
    told = with_lines(error, "kept in /x", "no room")
    assert type(told) is Conflict and str(told) == "r@main: moved; kept in /x; no room"


@pytest.mark.root
def test_a_place_that_cannot_be_removed_gives_a_line(tmp_path: Path) -> None:
    place = RunPlace.create(str(tmp_path))
    assert removed(place) == () and not place.directory.exists()
    place = RunPlace.create(str(tmp_path))
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place.out], check=True, timeout=20)
    try:
        (line,) = removed(place)
        assert str(place.directory) in line and "busy" in line
    finally:
        subprocess.run(["umount", place.out], check=True, timeout=20)


def test_an_interrupt_tells_what_was_noted_of_it(capfd: pytest.CaptureFixture[str]) -> None:
    interrupt = KeyboardInterrupt()
    interrupt.add_note("the end of session 1 could not be recorded: full")

    def stop() -> int:
        raise interrupt

    assert frame.guard(Call(kept="what it wrote is in /x"), stop) == frame.INTERRUPTED
    said = "vfs: interrupted; what it wrote is in /x; the end of session 1 could not be recorded: full\n"
    assert capfd.readouterr().err == said
