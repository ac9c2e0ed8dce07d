"""What a run was given and did not use, looked for in vain, and opened elsewhere: told from its record."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from vfs.errors import Refused, UsageError
from vfs.journal.record import put_record
from vfs.model.commit import InputCommit
from vfs.model.record import Code, Outside, Process, Read, RunRecord
from vfs.run.declared import KINDS, MISSING, UNDECLARED, UNUSED, Declared, declared_of, parse_strict
from vfs.run.terms import Terms

A, D = b"a" * 32, b"d" * 32
LATER = 4_000_000_000_000_000_000


def a_record(**fields: object) -> RunRecord:
    inputs = [InputCommit(name, name, A) for name in ("a", "b", "c")]
    record = put_record(command=(b"x",), started_ns=LATER, inputs=inputs, kind="run")
    return msgspec.structs.replace(record, **fields)


def test_input_that_was_read_or_listed_is_used_and_one_looked_into_is_not() -> None:
    record = a_record(
        reads=(Read(1, 0, b"x", D, 1),), listed=(Read(1, 1, b"", b"", 2),), absent=(Read(1, 2, b"y", b"", 3),)
    )
    declared = declared_of(record, traced=False)
    assert (declared.unused, declared.missing, declared.undeclared) == (("c",), (b"/pfs/c/y",), None)


def test_missing_names_are_those_that_the_command_saw() -> None:
    absent = (
        Read(1, 0, b"sub/x", b"", 1),
        Read(2, 0, b"sub/x", b"", 2),
        Read(1, 1, b"subx", b"", 3),
        Read(1, 2, b"sub", b"", 4),
    )
    record = a_record(absent=absent, shown=(b"sub", b"sub", b""))
    assert declared_of(record, traced=False).missing == (b"/pfs/a/x", b"/pfs/b/subx", b"/pfs/c/sub")


def outside(tmp_path: Path, *names: str) -> tuple[Outside, ...]:
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tuple(Outside(1, os.fsencode(tmp_path / name)) for name in names)


def test_system_programs_environments_and_own_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    opened = outside(
        tmp_path, "data/x", "venv/lib/site-packages/m.py", "opt/tool/bin/tool", "opt/tool/lib/m.so", "state/journal.db",
        "script.py", "notes.txt",
    )  # fmt: skip
    process = Process(1, 0, 1, 1, 0, os.fsencode(tmp_path / "opt/tool/bin/tool"), D, (), b"/", 0, "root", "")
    code = (
        Code("script", os.fsencode(tmp_path / "script.py"), D),
        Code("script", os.fsencode(tmp_path / "notes.txt"), D),
    )
    system = tuple(Outside(1, path) for path in (b"/usr/lib/x.so", b"/etc/passwd", b"/dev/null", b"/usrlocal/x"))
    record = a_record(outside=(*opened, *system), processes=(process,), code=code)
    found = declared_of(record, traced=True, own=[os.fsencode(tmp_path / "state")])
    assert found.undeclared == tuple(os.fsencode(tmp_path / name) for name in ("data/x", "notes.txt"))


def test_what_the_run_wrote_itself_is_no_input(tmp_path: Path) -> None:
    record = a_record(outside=(*outside(tmp_path, "temporary"), Outside(1, os.fsencode(tmp_path / "gone"))))
    assert declared_of(record, traced=True).undeclared == (os.fsencode(tmp_path / "temporary"),)
    later = msgspec.structs.replace(record, started_ns=1)
    assert declared_of(later, traced=True).undeclared == ()


def test_other_mounts_are_named_whatever_lies_there() -> None:
    record = a_record(outside=(Outside(1, b"/usr/share/mnt/x"), Outside(1, b"/usr/share/mntx/y")), started_ns=1)
    assert declared_of(record, traced=True, mounts=[b"/usr/share/mnt"]).undeclared == (b"/usr/share/mnt/x",)


def test_lines_name_the_first_and_count_the_rest() -> None:
    many = tuple(b"/pfs/a/%d" % n for n in range(12))
    lines = Declared(unused=("b",), missing=many, undeclared=(b"/x\n\xff",)).lines()
    assert lines == [
        "unused: 1 input (b) given, and nothing of it read or listed",
        "missing: 12 names (/pfs/a/0, /pfs/a/1, /pfs/a/2 and 9 more) looked up in the inputs",
        "undeclared: 1 file (/x\\n\\xff) opened outside of the inputs",
    ]
    assert Declared().lines() == Declared(undeclared=()).lines() == []


def test_strict_refuses_the_kinds_it_names_and_no_others() -> None:
    declared = Declared(unused=("b",), missing=(b"/pfs/a/x",))
    declared.check(frozenset({UNDECLARED}))
    declared.check(frozenset())
    with pytest.raises(Refused, match=r"--strict: unused: 1 input \(b\).*; nothing was committed") as refused:
        declared.check(frozenset({UNUSED, UNDECLARED}))
    assert "missing" not in str(refused.value) and "\n" not in str(refused.value)
    Declared().check(frozenset(KINDS))


def test_kinds_of_strict() -> None:
    assert parse_strict("") == frozenset(KINDS)
    assert parse_strict("missing,unused") == {MISSING, UNUSED}
    for text in ("missing,", "all", "Unused", " unused"):
        with pytest.raises(UsageError, match="is none of unused, undeclared, missing"):
            parse_strict(text)


def test_strict_about_undeclared_files_traces_them() -> None:
    assert Terms(strict=frozenset({UNDECLARED})).traces and Terms(trace_outside=True).traces
    assert not Terms(strict=frozenset({UNUSED, MISSING})).traces
