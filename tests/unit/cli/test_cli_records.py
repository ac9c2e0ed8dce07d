"""How run records are shown, whatever they hold; and the record-like view of a session of the journal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from vfs.cli.commands.runs import session_command
from vfs.cli.commits import print_commit
from vfs.cli.records import print_record, record_fields, record_json
from vfs.journal.events import Gap
from vfs.journal.log import Journal
from vfs.journal.session import begin_session, end_session
from vfs.model.commit import Commit, InputCommit, Locations, StoredCommit
from vfs.model.entry import BlobRef
from vfs.model.record import Code, Output, Outside, Process, Read, RunRecord

D = bytes(range(32))
PROCESS = Process(
    1,
    0,
    77,
    1_700_000_000_000_000_000,
    1_700_000_002_000_000_000,
    b"/bin/\xff",
    D,
    (b"x\n\x1b[2J",),
    b"/",
    0,
    "u",
    "",
    (2,),
)
RECORD = RunRecord(
    kind="run",
    command=(b"x\n\x1b[2J", b"\xff"),
    cwd=b"/\xff",
    exit_code=0,
    started_ns=1_700_000_000_000_000_000,
    ended_ns=1_700_000_003_000_000_000,
    user="u",
    host="h",
    version="1",
    level="open",
    gaps=2,
    environment=(("LANG", "C"),),
    inputs=tuple(InputCommit(f"in{n}", "repo", D) for n in range(7)),
    processes=(PROCESS,),
    reads=(Read(1, 0, b"a\xff", D, 3), Read(9, 99, b"b", D)),
    outputs=(Output(b"o\n", D, 1, 4), Output(b"dir", b"")),
    listed=(Read(1, 1, b"", b"", 1),),
    absent=(Read(1, 0, b"no\n", b"", 2), Read(1, 99, b"no", b"", 5), Read(1, -1, b"no", b"", 6)),
    outside=(Outside(1, b"/tmp/\xff"), Outside(0, b"/tmp/\xff")),
    code=(
        Code("cwd", b"/w", b"", b"/w", "ab" * 20, "main", True),
        Code("script", b"/s\xff", D),
        Code("cwd", b"/v", b"", b"/v"),
    ),
    image="debian:12",
    reasons=(("slow", 2),),
    shown=(b"sub\xff",),
)


def test_short_form_says_the_counts() -> None:
    fields = [(name, value) for name, value in record_fields(RECORD) if value]
    found = dict(fields)
    assert found["observed"] == "level open, 2 lost (2 slow)"
    assert (found["files read"], found["listed"], found["missing"], found["outside"]) == (
        "2",
        "1 directory",
        "2 names",
        "1 file",
    )
    assert found["unused"] == "in2, in3, in4 and 2 more"
    assert [value for name, value in fields if name == "code"] == [
        "/w, commit abababababab of main, changed",
        "/v, no commit known",
    ]
    assert found["script"].startswith("/s\udcff, digest 000102030405")
    assert (found["image"], found["took"]) == ("debian:12", "3.0 s")


def test_full_form_has_one_line_for_each(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    print_record(RECORD)
    lines = capfdbinary.readouterr().out.decode("utf-8", "surrogateescape").splitlines()
    titles = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert titles == [
        "environment:", "processes:", "read:", "listed:", "missing:", "opened outside of the inputs:", "outputs:",
    ]  # fmt: skip
    assert [line.split()[:3] for line in lines if line.startswith("o\\n")] == [["o\\n", "000102030405", "1"]]
    assert not [line for line in lines if "\x1b" in line]


def test_json_has_all_of_it_in_valid_text() -> None:
    found = json.loads(json.dumps(record_json(RECORD), ensure_ascii=False).encode("utf-8"))
    assert found["reads"][0]["at"] == 3 and found["reads"][0]["path_b64"] == "Yf8="
    assert found["absent"][0] == {"process": 1, "input": 0, "path": "no\n", "at": 2}
    assert found["outputs"][0]["writer"] == 1 and found["outputs"][1] == {
        "path": "dir",
        "digest": None,
        "writer": None,
        "at": 0,
    }
    assert found["code"][0] | {"path": ""} == {
        "role": "cwd",
        "path": "",
        "digest": None,
        "root": "/w",
        "commit": "ab" * 20,
        "branch": "main",
        "dirty": True,
    }
    assert (found["image"], found["reasons"]) == ("debian:12", [{"reason": "slow", "count": 2}])
    assert found["processes"][0]["linked"] == [2] and found["inputs"][0]["shown_b64"]


@pytest.mark.parametrize(
    ("message", "shown"), [("mine", 1), ("x --a 'b c'", 0), ("x --a 'b…", 0), ("x --b", 1), ("", 0)]
)
def test_a_message_that_repeats_the_command_is_not_shown(
    message: str, shown: int, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    commit = Commit(
        repo="r",
        parents=(),
        root=D,
        entries=1,
        size=1,
        author="a",
        time_ns=0,
        message=message,
        command=(b"x", b"--a", b"b c"),
    )
    stored = StoredCommit(D, commit, Locations(BlobRef(D, 0, 0, 0, D)))
    print_commit(stored)
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert len([line for line in lines if line.startswith("    ")]) == shown
    assert "command  x --a 'b c'" in lines
    print_commit(stored, command=False)
    assert b"command" not in capfdbinary.readouterr().out


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("VFS_STATE_DIR", str(tmp_path))
    with Journal.open(tmp_path) as journal:
        found = [begin_session(journal, kind="run", command=["x"], environment={}) for _ in range(40)]
        journal.append([Gap(session=found[0], count=3, reason="slow")])
        end_session(journal, found[0], exit_code=4)
    return found


def test_session_by_id_and_by_prefix(sessions: list[str]) -> None:
    done = CliRunner().invoke(session_command, [sessions[0], "--json"])
    found = json.loads(done.output)
    assert (found["session"], found["is_ended"]) == (sessions[0], True)
    assert (found["record"]["exit_code"], found["record"]["gaps"]) == (4, 3)
    assert "not ended, or cut off" in CliRunner().invoke(session_command, [sessions[1]]).output
    alone = next(n for n in range(1, 17) if sum(one.startswith(sessions[2][:n]) for one in sessions) == 1)
    assert sessions[2] in CliRunner().invoke(session_command, [sessions[2][:alone]]).output


def test_session_that_is_not_there_or_not_alone(sessions: list[str]) -> None:
    first = next(one[0] for one in sessions if sum(other[0] == one[0] for other in sessions) > 1)
    for prefix, said in (
        ("zz", "not in the journal"),
        ("", "not in the journal"),
        (first, "several begin so"),
        ("%", "not in"),
    ):
        done = CliRunner().invoke(session_command, [prefix])
        assert done.exit_code and said in str(done.exception)
