from __future__ import annotations

import os
import random
import subprocess
import tempfile
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_world import SECOND, T0, a_process

from vfs.errors import Corrupt, NotFound
from vfs.journal.environment import allowed
from vfs.journal.events import (
    KINDS,
    Event,
    Gap,
    ProcessSeen,
    ReadsSeen,
    SessionStart,
    Watching,
    decode_event,
    encode_event,
    kind_of,
)
from vfs.journal.log import Journal
from vfs.journal.observe import Observer
from vfs.journal.record import mount_record, put_record, run_record
from vfs.journal.session import begin_session, end_session, sessions_at
from vfs.model.commit import InputCommit
from vfs.model.record import Output, Process, Read, RunRecord, decode_record, encode_record

A, B, C = b"a" * 32, b"b" * 32, b"c" * 32
D = b"d" * 32


def _session(journal: Journal, inputs: Sequence[InputCommit] = ()) -> str:
    return begin_session(
        journal,
        kind="run",
        mountpoint="/pfs",
        command=["python", b"x\xff.py"],
        inputs=inputs,
        environment={"LANG": "C"},
    )


def test_a_session_that_saw_nothing_gives_what_it_was_begun_with(journal: Journal) -> None:
    session = _session(journal, [InputCommit("photos", "images", A)])
    record = run_record(journal, session, exit_code=3, outputs=[Output(b"b", D), Output(b"a", D), Output(b"b", A)])
    assert record.kind == "run"
    assert record.command == (b"python", b"x\xff.py")
    assert (record.exit_code, record.level, record.gaps) == (3, "none", 0)
    assert record.inputs == (InputCommit("photos", "images", A),)
    assert record.environment == (("LANG", "C"),)
    assert record.outputs == (Output(b"a", D), Output(b"b", A))
    assert record.cwd == os.getcwdb()
    assert record.started_ns <= record.ended_ns


def test_an_unknown_session_is_not_found(journal: Journal) -> None:
    with pytest.raises(NotFound, match="session 0123: not in the journal"):
        run_record(journal, "0123")


def test_processes_and_reads_are_numbered_and_sorted(journal: Journal) -> None:
    session = _session(journal, [InputCommit("photos", "images", A)])
    journal.append(
        [
            Watching(session=session, pid=1, level="open"),
            ProcessSeen(session=session, process=a_process(900, started_ns=T0 + SECOND)),
            ProcessSeen(session=session, process=a_process(800, started_ns=T0, parent=0)),
            ProcessSeen(session=session, process=a_process(700, started_ns=T0 + 2 * SECOND, parent=900)),
            ReadsSeen(
                session=session, sources=(("other", B), ("images", A)), reads=((700, 0, b"z", D), (700, 1, b"y", D))
            ),
            ReadsSeen(
                session=session, sources=(("images", A),), reads=((900, 0, b"y", D), (700, 0, b"y", D), (1, 0, b"q", D))
            ),
            Gap(session=session, count=2, reason="test"),
            Gap(session=session, count=3, reason="test"),
        ]
    )
    record = run_record(journal, session)
    assert [(process.key, process.parent, process.pid) for process in record.processes] == [
        (1, 0, 900),
        (2, 0, 1000),
        (3, 2, 800),
    ]
    assert record.inputs == (InputCommit("photos", "images", A), InputCommit("other", "other", B))
    assert record.reads == (Read(0, 0, b"q", D), Read(2, 0, b"y", D), Read(3, 0, b"y", D), Read(3, 1, b"z", D))
    assert (record.level, record.gaps) == ("open", 5)


def test_sessions_do_not_mix(journal: Journal) -> None:
    one, two = _session(journal), _session(journal)
    for session, path in ((one, b"1"), (two, b"2")):
        journal.append(
            [
                ProcessSeen(session=session, process=a_process(5)),
                ReadsSeen(session=session, sources=(("images", A),), reads=((5, 0, path, D),)),
            ]
        )
    assert [read.path for read in run_record(journal, one).reads] == [b"1"]
    assert [read.path for read in run_record(journal, two).reads] == [b"2"]


def test_an_input_read_without_being_given_gets_a_name_of_its_own(journal: Journal) -> None:
    session = _session(journal, [InputCommit("images", "images", A)])
    reads = ReadsSeen(session=session, sources=(("images", C), ("images", B)), reads=((0, 0, b"x", D), (0, 1, b"x", D)))
    journal.append([reads])
    names = [(item.name, item.commit) for item in run_record(journal, session).inputs]
    assert names == [("images", A), (f"images@{B.hex()[:12]}", B), (f"images@{C.hex()[:12]}", C)]


def _batch(session: str, reads: Sequence[tuple[int, tuple[str, bytes], bytes]]) -> ReadsSeen:
    sources = tuple(dict.fromkeys(source for _, source, _ in reads))
    numbered = tuple((key, sources.index(source), path, D) for key, source, path in reads)
    return ReadsSeen(session=session, sources=sources, reads=numbered)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_same_facts_give_the_same_bytes(seed: int) -> None:
    chance = random.Random(seed)
    processes = [a_process(key, started_ns=T0 + key, parent=chance.choice([0, *range(1, key)])) for key in range(1, 6)]
    reads = [
        (chance.randint(0, 5), chance.choice([("images", A), ("images", B), ("code", C)]), b"%d" % chance.randint(0, 9))
        for _ in range(40)
    ]
    seen = []
    with tempfile.TemporaryDirectory() as directory, Journal.open(directory, clock=lambda: T0) as journal:
        for _ in range(2):
            session = _session(journal, [InputCommit("images", "images", A)])
            chance.shuffle(processes)
            chance.shuffle(reads)
            events: list[Event] = [ProcessSeen(session=session, process=process) for process in processes]
            # Each read arrives at least once, in batches of any size, with sources numbered by arrival.
            left = reads + chance.sample(reads, 10)
            while left:
                size = chance.randint(1, 9)
                events.append(_batch(session, left[:size]))
                left = left[size:]
            journal.append(events)
            seen.append(encode_record(run_record(journal, session, ended_ns=T0 + SECOND)))
    assert seen[0] == seen[1]


def test_an_altered_record_is_not_sealed(journal: Journal) -> None:
    session = _session(journal)
    journal.append([ReadsSeen(session=session, sources=(("images", A),), reads=((0, 0, b"x", D),))])
    journal.select("UPDATE records SET body = zeroblob(40) WHERE seq = 2")
    with pytest.raises(Corrupt, match="record 2: altered"):
        run_record(journal, session)


def test_a_read_of_a_source_that_is_not_there_is_corrupt(journal: Journal) -> None:
    session = _session(journal)
    journal.append([ReadsSeen(session=session, sources=(("images", A),), reads=((0, 1, b"x", D),))])
    with pytest.raises(Corrupt, match="a read of source 1 of 1"):
        run_record(journal, session)


def test_a_real_process_ends_up_in_the_record(journal: Journal) -> None:
    session = _session(journal, [InputCommit("images", "images", A)])
    with Observer(journal, session, root_pid=os.getpid(), interval=60) as observer:
        process = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
        observer.opened(process.pid, "images", A, b"a.jpg", D, row=4)
        process.communicate(timeout=10)
    end_session(journal, session)
    record = run_record(journal, session)
    assert record.level == "open"
    assert [process.argv for process in record.processes][1:] == [(b"/bin/cat",)]
    assert record.reads == (Read(2, 0, b"a.jpg", D, 1),)
    assert decode_record(encode_record(record), "test") == record


def test_the_record_of_a_mount_may_name_the_command_that_commits(journal: Journal) -> None:
    session = _session(journal)
    record = mount_record(journal, session, command=(b"vfs", b"commit"), outputs=[Output(b"x", D)])
    assert (record.kind, record.command) == ("mount", (b"vfs", b"commit"))
    assert mount_record(journal, session).command == (b"python", b"x\xff.py")


def test_the_record_of_a_put_says_who_when_and_where() -> None:
    record = put_record(command=(b"vfs", b"put"), started_ns=T0, ended_ns=T0 + 1, kind="rm")
    assert (record.kind, record.command, record.started_ns, record.ended_ns) == ("rm", (b"vfs", b"put"), T0, T0 + 1)
    assert record.user and record.host and record.version
    assert record.level == "none" and record.reads == ()


def test_only_harmless_variables_are_recorded() -> None:
    environment = {
        "AWS_SECRET_ACCESS_KEY": "x",
        "LANG": "de_DE.UTF-8",
        "LC_TIME": "C",
        "PASSWORD": "x",
        "PATH": "/bin",
        "TOKEN_LC_": "x",
        "VFS_INPUT_IMAGES": "/pfs/images",
        "VFS_S3_SECRET": "x",
        "TZ": "\udcff",
    }
    kept = dict(allowed(environment))
    assert set(kept) == {"LANG", "LC_TIME", "PATH", "VFS_INPUT_IMAGES", "TZ"}
    assert kept["TZ"] == "\\udcff"


digests = st.binary(min_size=32, max_size=32)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(0, 2**63 - 1)
inputs = st.builds(InputCommit, names, names, digests)
processes = st.builds(
    Process,
    numbers, numbers, numbers, numbers, numbers, st.binary(max_size=40), digests,
    st.lists(st.binary(max_size=20), max_size=5).map(tuple), st.binary(max_size=40), numbers, names, names,
)  # fmt: skip
records = st.builds(
    RunRecord,
    kind=names,
    command=st.lists(st.binary(max_size=20), max_size=4).map(tuple),
    cwd=st.binary(max_size=20),
    exit_code=st.integers(-256, 256),
    started_ns=numbers,
    ended_ns=numbers,
    user=names,
    host=names,
    version=names,
    level=st.sampled_from(["open", "fanotify", "none"]),
    gaps=numbers,
    environment=st.lists(st.tuples(names, names), max_size=3).map(tuple),
    inputs=st.lists(inputs, max_size=3).map(tuple),
    processes=st.lists(processes, max_size=3).map(tuple),
    reads=st.lists(st.builds(Read, numbers, numbers, st.binary(max_size=30), digests), max_size=5).map(tuple),
    outputs=st.lists(st.builds(Output, st.binary(max_size=30), digests), max_size=5).map(tuple),
)


@given(records)
def test_a_record_is_read_back_as_it_was_written(record: RunRecord) -> None:
    data = encode_record(record)
    assert decode_record(data, "test") == record
    assert encode_record(decode_record(data, "test")) == data


@given(records, st.data())
def test_a_cut_or_changed_record_is_corrupt_or_a_record(record: RunRecord, data: st.DataObject) -> None:
    encoded = bytearray(encode_record(record))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(encoded), bytes(encoded[:place])):
        try:
            decoded = decode_record(damaged, "commit x")
        except Corrupt as error:
            assert "commit x: run record" in str(error)
        else:
            assert isinstance(decoded, RunRecord)


events = st.one_of(
    st.builds(Gap, session=names, count=numbers, reason=names),
    st.builds(ProcessSeen, session=names, process=processes),
    st.builds(
        ReadsSeen,
        session=names,
        sources=st.lists(st.tuples(names, digests), max_size=3).map(tuple),
        reads=st.lists(st.tuples(numbers, numbers, st.binary(max_size=9), digests), max_size=3).map(tuple),
    ),
    st.builds(
        SessionStart,
        session=names,
        kind=names,
        mountpoint=st.binary(max_size=9),
        command=st.lists(st.binary(max_size=9), max_size=3).map(tuple),
        cwd=st.binary(max_size=9),
        user=names,
        uid=numbers,
        host=names,
        pid=numbers,
        version=names,
        inputs=st.lists(inputs, max_size=2).map(tuple),
    ),
)


@given(events)
def test_an_event_is_read_back_as_it_was_written(event: Event) -> None:
    assert decode_event(kind_of(event), encode_event(event), "test") == event


@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=60))
def test_any_bytes_are_an_event_or_corrupt(kind: str, body: bytes) -> None:
    try:
        event = decode_event(kind, body, "record 7")
    except Corrupt as error:
        assert "record 7: cannot be decoded" in str(error)
    else:
        assert isinstance(event, KINDS[kind])


def test_text_that_is_not_utf8_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="record 7: cannot be decoded"):
        decode_event("gap", b"\x93\xa1\xff\x00\xa0", "record 7")


def test_a_record_covers_the_earlier_mounts_of_a_layer(journal: Journal) -> None:
    def mounted(mountpoint: str, path: bytes, *, ended: bool) -> str:
        session = begin_session(journal, kind="mount", mountpoint=mountpoint, inputs=[InputCommit("r", "images", A)])
        key = int(session, 16) >> 2
        journal.append(
            [
                Watching(session=session, pid=1, level="open"),
                ProcessSeen(session=session, process=a_process(key)),
                ReadsSeen(session=session, sources=(("images", A),), reads=((key, 0, path, D),)),
            ]
        )
        if ended:
            end_session(journal, session)
        return session

    first = mounted("/mnt/a", b"1", ended=True)
    mounted("/mnt/b", b"2", ended=True)
    cut_off = mounted("/mnt/a", b"3", ended=False)
    now = mounted("/mnt/a", b"4", ended=False)
    assert sessions_at(journal, "/mnt/a") == [first, cut_off, now]
    began = journal.record(int(str(journal.select("SELECT started FROM sessions WHERE session = ?", (cut_off,))[0][0])))
    assert sessions_at(journal, b"/mnt/a", since_ns=began.time_ns) == [cut_off, now]
    record = mount_record(journal, now, earlier=sessions_at(journal, "/mnt/a"))
    assert sorted(read.path for read in record.reads) == [b"1", b"3", b"4"]
    assert len(record.processes) == 3
    # The mount that was cut off may have seen reads that it could not write down.
    assert (record.level, record.gaps) == ("open", 1)
    assert [read.path for read in mount_record(journal, now).reads] == [b"4"]
    assert mount_record(journal, now).gaps == 0


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (["open", "fanotify"], "fanotify"),
        (["fanotify"], "fanotify"),
        (["open"], "open"),
        (["other"], "none"),
        ([], "none"),
    ],
)
def test_the_level_is_that_of_the_last_watch(journal: Journal, levels: list[str], expected: str) -> None:
    session = begin_session(journal, kind="mount", environment={})
    journal.append([Watching(session=session, pid=1, level=level) for level in levels])
    assert run_record(journal, session).level == expected
