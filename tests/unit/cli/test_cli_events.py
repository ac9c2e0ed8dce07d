"""Every kind of journal record has a line and a JSON form, whatever it holds."""

from __future__ import annotations

import json

import pytest

from vfs.cli.events import SUMMARY, event_json, summary
from vfs.journal.events import (
    KINDS,
    AbsentSeen,
    Checkpoint,
    CodeSeen,
    CommitMade,
    Cut,
    Event,
    Gap,
    ListedSeen,
    OutputsMade,
    OutsideSeen,
    ProcessesEnded,
    ProcessesLinked,
    ProcessSeen,
    ReadsSeen,
    SessionEnd,
    SessionStart,
    Watching,
    Wrote,
    kind_of,
)
from vfs.model.commit import InputCommit
from vfs.model.record import Code, Output, Process

DIGEST = bytes(range(32))
PROCESS = Process(
    key=1,
    parent=0,
    pid=77,
    started_ns=1_700_000_000_000_000_000,
    ended_ns=0,
    exe=b"/bin/\xff",
    exe_digest=b"",
    argv=(b"sh", b"-c", b"line\nline"),
    cwd=b"/",
    uid=0,
    user="root",
    container="",
)
EVENTS: tuple[Event, ...] = (
    SessionStart(
        session="s",
        kind="run",
        mountpoint=b"/mnt/\xff",
        command=(b"echo", b"\x1b[2J" * 100),
        cwd=b"/",
        user="u",
        uid=0,
        host="h",
        pid=1,
        version="0",
        environment=(("LANG", "C"),),
        inputs=(InputCommit("in", "repo", DIGEST),),
    ),
    SessionEnd(session="s", exit_code=7),
    Watching(session="s", pid=1, level="open"),
    ProcessSeen(session="s", process=PROCESS),
    ReadsSeen(session="s", sources=(("repo", DIGEST),), reads=((1, 0, b"a\xff", DIGEST),)),
    OutputsMade(session="s", outputs=(Output(b"made", DIGEST), Output(b"dir", b""))),
    CommitMade(session="s", repo="repo", branch="main", commit=DIGEST, record=b""),
    Gap(session="s", count=3, reason="overflow"),
    Gap(session="s", count=0, reason="ended", processes=2),
    ListedSeen(session="s", sources=(("repo", DIGEST),), reads=((1, 0, b"", b""), (1, 0, b"d", b"")), first=3),
    AbsentSeen(session="s", sources=(("repo", DIGEST),), reads=((1, 0, b"n\xff", b""),), first=5),
    ProcessesEnded(session="s", ended=((1, 1_700_000_000_000_000_000),)),
    ProcessesLinked(session="s", links=((1, 2),)),
    Wrote(session="s", writes=((1, 2, 3, 4),)),
    OutsideSeen(session="s", opens=((1, b"/etc/\xff"),)),
    Checkpoint(session="s", before_ns=1_700_000_000_000_000_000, cuts=(Cut(1, 9, DIGEST, DIGEST),), archive=DIGEST),
    CodeSeen(session="s", code=(Code("script", b"/\xff", DIGEST, b"/", "ab" * 20, "main", True),), image="debian:12"),
)


def test_every_kind_is_here() -> None:
    assert {kind_of(event) for event in EVENTS} == set(KINDS)


@pytest.mark.parametrize("event", EVENTS, ids=kind_of)
def test_a_summary_is_one_short_printable_line(event: Event) -> None:
    assert 0 < len(summary(event)) <= SUMMARY and summary(event).isprintable()


@pytest.mark.parametrize("event", EVENTS, ids=kind_of)
def test_json_has_no_bytes_and_no_surrogates(event: Event) -> None:
    assert json.dumps(event_json(event), ensure_ascii=False).encode("utf-8")
    assert event_json(event)["session"] == "s"


def test_digests_are_hex_and_times_are_times() -> None:
    process = event_json(EVENTS[3])["process"]
    assert process["started"] == "2023-11-14T22:13:20.000000000Z" and process["ended"] is None
    assert (process["exe"], process["exe_b64"], process["exe_digest"]) == ("/bin/\ufffd", "L2Jpbi//", None)
    read = event_json(EVENTS[4])["reads"][0]
    assert read["digest"] == DIGEST.hex() and read["path"] == "a\ufffd" and "path_b64" in read
    assert event_json(EVENTS[5])["outputs"] == [
        {"path": "made", "digest": DIGEST.hex(), "writer": 0, "at": 0},
        {"path": "dir", "digest": None, "writer": 0, "at": 0},
    ]
    assert event_json(EVENTS[6])["commit"] == DIGEST.hex()


def test_observations_have_their_numbers() -> None:
    listed, absent = event_json(EVENTS[9])["reads"], event_json(EVENTS[10])["reads"]
    assert [(one["path"], one["digest"], one["at"]) for one in listed] == [("", None, 3), ("d", None, 4)]
    assert (absent[0]["path"], absent[0]["at"]) == ("n\ufffd", 5)
    assert event_json(EVENTS[14])["opens"] == [{"process": 1, "path": "/etc/\ufffd", "path_b64": "L2V0Yy//"}]
