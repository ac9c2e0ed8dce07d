"""What of a session is sealed besides its reads: listings, absent names, order, ends, links, writers, code."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from journal_world import SECOND, T0, a_process

from vfs.errors import Corrupt
from vfs.journal.events import (
    AbsentSeen,
    CodeSeen,
    Event,
    Gap,
    ListedSeen,
    OutsideSeen,
    ProcessesEnded,
    ProcessesLinked,
    ProcessSeen,
    ReadsSeen,
    Watching,
    Wrote,
)
from vfs.journal.log import Journal
from vfs.journal.observed import CUT_OFF
from vfs.journal.record import mount_record, put_record, run_record, with_outputs
from vfs.journal.session import begin_session, end_session
from vfs.journal.writers import Writers
from vfs.model.commit import InputCommit
from vfs.model.record import Code, Output, Outside, Read, decode_record, encode_record

A, D = b"a" * 32, b"d" * 32
SOURCES = (("images", A),)
CODE = (Code("cwd", b"/home/a", b"", b"/home/a", "ab" * 20, "main", True), Code("script", b"/x.py", D))


def _session(journal: Journal, kind: str = "run") -> str:
    return begin_session(journal, kind=kind, inputs=[InputCommit("images", "images", A)], environment={})


def _seen(session: str, *, start: int = 0) -> list[Event]:
    """Process 10 lists, reads and looks in vain; process 20 reads; both write."""
    return [
        Watching(session=session, pid=1, level="open"),
        ProcessSeen(session=session, process=a_process(start + 20, started_ns=T0 + SECOND, parent=start + 10)),
        ProcessSeen(session=session, process=a_process(start + 10, started_ns=T0)),
        ListedSeen(session=session, sources=SOURCES, reads=((start + 10, 0, b"", b""),), first=1),
        ReadsSeen(
            session=session,
            sources=SOURCES,
            reads=((start + 10, 0, b"b", D), (start + 20, 0, b"a", D), (start + 10, 0, b"a", D)),
            first=2,
            ats=(0, 1, 4),
        ),
        AbsentSeen(session=session, sources=SOURCES, reads=((start + 20, 0, b"new", b""),), first=5),
        Wrote(session=session, writes=((start + 10, 8, 100, 4), (start + 20, 8, 101, 7))),
        Wrote(session=session, writes=((start + 20, 8, 100, 8), (99, 8, 102, 9))),
        ProcessesEnded(session=session, ended=((start + 20, T0 + 3 * SECOND),)),
        ProcessesLinked(session=session, links=((start + 10, start + 20), (start + 10, 77), (start + 20, start + 20))),
        OutsideSeen(session=session, opens=((start + 20, b"/tmp/x"), (start + 10, b"/tmp/y"), (start + 20, b"/tmp/x"))),
        Gap(session=session, count=2, reason="slow"),
        Gap(session=session, count=1, reason="slow"),
        Gap(session=session, count=0, reason="gone", processes=4),
        CodeSeen(session=session, code=CODE, image="debian:12"),
    ]


def test_all_that_was_observed_is_sealed(journal: Journal) -> None:
    session = _session(journal)
    journal.append(_seen(session))
    record = run_record(journal, session)
    assert record.listed == (Read(1, 0, b"", b"", 1),)
    assert record.reads == (Read(1, 0, b"a", D, 6), Read(1, 0, b"b", D, 2), Read(2, 0, b"a", D, 3))
    assert record.absent == (Read(2, 0, b"new", b"", 5),)
    assert record.outside == (Outside(1, b"/tmp/y"), Outside(2, b"/tmp/x"))
    assert [(p.key, p.parent, p.ended_ns, p.linked) for p in record.processes] == [
        (1, 0, 0, (2,)),
        (2, 1, T0 + 3 * SECOND, ()),
    ]
    assert (record.gaps, record.reasons) == (3, (("gone", 4), ("slow", 3)))
    assert (record.code, record.image) == (CODE, "debian:12")
    assert decode_record(encode_record(record), "x") == record


def test_same_facts_in_other_records_give_the_same_bytes(journal: Journal) -> None:
    sealed = []
    for _ in range(2):
        session = _session(journal)
        events = _seen(session)
        journal.append(events if not sealed else [*events[:3], *reversed(events[3:])])
        record = run_record(journal, session, ended_ns=T0)
        sealed.append(encode_record(msgspec.structs.replace(record, started_ns=T0)))
    assert sealed[0] == sealed[1]


def test_writers_as_keys_of_the_session_or_as_numbers_of_the_record(journal: Journal) -> None:
    session = _session(journal)
    journal.append(_seen(session))
    writers = Writers(journal, [session])
    assert [writers.last(8, inode) for inode in (100, 101, 102, 103)] == [(2, 8), (2, 7), (0, 9), (0, 0)]
    outputs = [Output(b"c", D, 20, 8), Output(b"a", D, *writers.last(8, 100)), Output(b"b", D, 12345, 3)]
    record = run_record(journal, session, outputs=outputs)
    assert record.outputs == (Output(b"a", D, 2, 8), Output(b"b", D, 0, 0), Output(b"c", D, 2, 8))


def test_order_goes_on_over_the_mounts_of_one_layer(journal: Journal) -> None:
    before, now = _session(journal, "mount"), _session(journal, "mount")
    journal.append(_seen(before))
    journal.append(_seen(now, start=1000))
    record = mount_record(journal, now, earlier=[before], outputs=[Output(b"a", D, 20, 8), Output(b"b", D, 1020, 8)])
    assert [read.at for read in record.listed] == [1, 10]
    assert sorted(read.at for read in record.reads) == [2, 3, 6, 11, 12, 15]
    assert {out.path: out.at for out in record.outputs} == {b"a": 8, b"b": 17}
    assert Writers(journal, [before, now]).last(8, 101) == (record.outputs[1].writer, 16)
    assert (CUT_OFF, 1) in record.reasons and record.gaps == 7
    end_session(journal, before)
    assert CUT_OFF not in dict(mount_record(journal, now, earlier=[before]).reasons)


def test_names_that_a_mount_made_are_not_missing_and_those_of_a_run_are(journal: Journal) -> None:
    for kind, expected in (("mount", []), ("run", [b"new"])):
        session = _session(journal, kind)
        journal.append(_seen(session))
        made = (Output(b"new", D),)
        assert [name.path for name in run_record(journal, session, outputs=made).absent] == expected
        late = with_outputs(run_record(journal, session), made, ended_ns=5)
        assert [name.path for name in late.absent] == expected
        assert (late.outputs, late.ended_ns) == (made, 5)


def test_input_that_was_only_listed_or_looked_into_is_named(journal: Journal) -> None:
    session = begin_session(journal, kind="mount", environment={})
    journal.append(
        [
            ListedSeen(session=session, sources=(("b", A),), reads=((0, 0, b"", b""),)),
            AbsentSeen(session=session, sources=(("a", A),), reads=((0, 0, b"x", b""),)),
        ]
    )
    record = run_record(journal, session)
    assert [given.repo for given in record.inputs] == ["a", "b"]
    assert (record.listed[0].input, record.absent[0].input) == (1, 0)


@pytest.mark.parametrize("source", [1, -1])
def test_listing_of_a_source_that_is_not_there_is_corrupt(journal: Journal, source: int) -> None:
    session = _session(journal)
    journal.append([ListedSeen(session=session, sources=SOURCES, reads=((0, source, b"", b""),))])
    with pytest.raises(Corrupt, match=f"a read of source {source} of 1"):
        run_record(journal, session)


def test_places_that_do_not_fit_are_corrupt(journal: Journal) -> None:
    session = _session(journal)
    journal.append([ReadsSeen(session=session, sources=SOURCES, reads=((0, 0, b"", b""),), first=1, ats=(0, 1))])
    with pytest.raises(Corrupt, match="1 observations in 2 places"):
        run_record(journal, session)


def test_put_says_which_code_it_was_made_beside(journal: Journal) -> None:
    record = put_record(command=(b"vfs", b"put"), started_ns=T0, code=CODE, image="debian:12")
    assert (record.code, record.image) == (CODE, "debian:12")


def test_secrets_of_a_command_are_in_no_record(tmp_path: Path) -> None:
    secret = b"hunter2-s3cr3t"
    command = [b"tool", b"--password", secret, b"TOKEN=" + secret, b"https://a:" + secret + b"@b/"]
    with Journal.open(tmp_path) as journal:
        session = begin_session(journal, kind="run", command=command, environment={"LC_TOKEN": secret.decode()})
        records = [
            run_record(journal, session),
            run_record(journal, session, command=command),
            put_record(command=command, started_ns=T0),
        ]
    for record in records:
        assert len(record.command) == len(command) and secret not in encode_record(record)
    assert all(secret not in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
