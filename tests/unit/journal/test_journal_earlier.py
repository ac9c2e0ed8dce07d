"""The order in which an earlier run of a command read."""

from __future__ import annotations

import pytest

from vfs.journal.earlier import SESSIONS_MAX, earlier_reads
from vfs.journal.events import ReadsSeen
from vfs.journal.log import Journal
from vfs.journal.session import begin_session, end_session

COMMAND, CWD = (b"python", b"train.py", b"\xff"), b"/home/anna"
SOURCES = (("images", b"a" * 32), ("labels", b"b" * 32))


def a_run(
    journal: Journal,
    *batches: list[tuple[int, int, bytes]],
    command: tuple[bytes, ...] = COMMAND,
    cwd: bytes = CWD,
    kind: str = "run",
    code: int | None = 0,
) -> None:
    """A session that read (process, source, path), in batches; without `code` it has not ended."""
    session = begin_session(journal, kind=kind, command=command, cwd=cwd, environment={})
    for batch in batches:
        reads = tuple((process, source, path, b"d" * 32) for process, source, path in batch)
        journal.append([ReadsSeen(session=session, sources=SOURCES, reads=reads)])
    if code is not None:
        end_session(journal, session, exit_code=code)


def earlier(journal: Journal, repo: str = "images") -> list[bytes]:
    return earlier_reads(journal, COMMAND, CWD, repo=repo)


def test_first_reads_of_all_processes_in_their_order(journal: Journal) -> None:
    a_run(journal, [(1, 0, b"c"), (2, 0, b"a"), (1, 1, b"x")], [(2, 0, b"c"), (1, 0, b"b"), (2, 1, b"c")])
    assert earlier(journal) == [b"c", b"a", b"b"]
    assert earlier(journal, "labels") == [b"x", b"c"]
    assert earlier(journal, "other") == []


def test_the_latest_run_that_ended_well_counts(journal: Journal) -> None:
    a_run(journal, [(1, 0, b"old")])
    a_run(journal, [(1, 0, b"new")])
    a_run(journal, [(1, 0, b"failed")], code=1)
    a_run(journal, [(1, 0, b"still running")], code=None)
    a_run(journal, [(1, 0, b"a mount")], kind="mount")
    assert earlier(journal) == [b"new"]


@pytest.mark.parametrize("words", [COMMAND[:2], (*COMMAND, b"-o"), (b"python3", *COMMAND[1:])])
def test_another_command_is_another(journal: Journal, words: tuple[bytes, ...]) -> None:
    a_run(journal, [(1, 0, b"a")], command=words)
    a_run(journal, [(1, 0, b"a")], cwd=b"/")
    assert earlier(journal) == []


def test_what_is_looked_at_is_bounded(journal: Journal) -> None:
    a_run(journal, [(1, 0, b"%d" % number) for number in range(10)], [(1, 0, b"more")])
    assert earlier_reads(journal, COMMAND, CWD, repo="images", limit=4) == [b"0", b"1", b"2", b"3"]
    assert earlier_reads(journal, COMMAND, CWD, repo="images", limit=11)[-1] == b"more"


def test_a_run_long_ago_is_forgotten(journal: Journal) -> None:
    a_run(journal, [(1, 0, b"a")])
    for _ in range(SESSIONS_MAX - 1):
        a_run(journal, command=(b"true",))
    assert earlier(journal) == [b"a"]
    a_run(journal, command=(b"true",))
    assert earlier(journal) == []
