"""What commands print: names, values, tables and JSON, to a pipe."""

from __future__ import annotations

import base64
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vfs.cli import output, values
from vfs.cli.names import first_line, named, one_line, raw, shown
from vfs.model.entry import Entry, Kind


@given(st.binary())
def test_json_names_keep_every_byte(name: bytes) -> None:
    found = json.loads(json.dumps(named("path", name), ensure_ascii=False).encode("utf-8"))
    exact = base64.b64decode(found["path_b64"]) if "path_b64" in found else found["path"].encode()
    assert exact == name


@given(st.binary())
def test_a_name_shown_to_a_pipe_is_that_name(name: bytes) -> None:
    assert raw(shown(name)) == name


@given(st.text())
def test_one_line_never_steers_a_terminal(text: str) -> None:
    assert one_line(text).isprintable()


def test_one_line_escapes_and_keeps_letters() -> None:
    assert one_line("Straße\n\x1b[31m\udcff") == "Straße\\n\\x1b[31m\\xff"
    assert first_line("\n first\nsecond") == "first"


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0"), (999, "999"), (1000, "1.0K"), (1024, "1.0K"), (10_239, "10K"), (1 << 20, "1.0M"), (3 << 40, "3.0T")],
)
def test_human_sizes_have_at_most_three_digits(count: int, expected: str) -> None:
    assert values.human_size(count) == expected


def test_utc_times_keep_nanoseconds_and_reach_before_the_epoch() -> None:
    assert values.utc_time(1_700_000_000_123_456_789) == "2023-11-14T22:13:20.123456789Z"
    assert values.utc_time(-1) == "1969-12-31T23:59:59.999999999Z"


def test_an_entry_as_json_says_all_it_is() -> None:
    entry = Entry(
        path=b"a/l\xff",
        kind=Kind.SYMLINK,
        mode=0o777,
        mtime_ns=0,
        size=3,
        target=b"../b",
        xattrs=((b"user.note", b"\xfe"),),
    )
    found = values.entry_json(entry)
    assert (found["path"], base64.b64decode(found["path_b64"])) == ("a/l\ufffd", entry.path)
    assert (found["kind"], found["mode"], found["target"]) == ("symlink", "0777", "../b")
    assert found["xattrs"] == [{"name": "user.note", "value": "\ufffd", "value_b64": "/g=="}]
    assert values.mode_text(entry) == "lrwxrwxrwx"


def test_a_plain_table_is_aligned_and_has_no_tabs(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    output.table(("name", "size"), [("a", "5"), ("longer", "1234")], right=("size",))
    output.flush()
    assert capfdbinary.readouterr().out == b"NAME    SIZE\na          5\nlonger  1234\n"


def test_a_table_without_rows_prints_nothing(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    output.table(("name",), [])
    output.flush()
    assert capfdbinary.readouterr().out == b""


def test_an_array_is_json_whatever_its_length(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    for items in ([], [1], [{"a": "ü"}, None]):
        output.array(iter(items))
        output.flush()
        assert json.loads(capfdbinary.readouterr().out) == items


def test_fields_without_a_value_are_left_out(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    output.fields([("kind", "file"), ("target", ""), ("inode", "1")])
    output.flush()
    assert capfdbinary.readouterr().out == b"kind   file\ninode  1\n"


def test_lines_give_undecodable_bytes_back(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    output.line(os.fsdecode(b"\xff\xc3\xa9"))
    output.flush()
    assert capfdbinary.readouterr().out == b"\xff\xc3\xa9\n"
