"""What differs between two runs is shown so that what matters is not lost among what does not."""

from __future__ import annotations

from vfs.cli.explained import SHOWN, WIDTH, causes_lines
from vfs.journal.causes import Cause, FileDifference

CHANGED = Cause("executables", "/usr/bin/sh: another program", "aa", "bb")


def alone(number: int, side: str) -> Cause:
    values = {side.lower(): "dd"}
    return Cause("executables", f"/usr/bin/helper{number}: ran in {side} alone", likely=False, **values)


def told(*causes: Cause, full: bool = False) -> list[str]:
    return list(causes_lines(causes, full=full))


def test_helpers_that_ran_on_one_side_are_a_line_for_each_side() -> None:
    helpers = [alone(1, "A"), alone(2, "B"), alone(3, "B")]
    assert told(CHANGED, *helpers) == [
        "executables  /usr/bin/sh: another program",
        "             A: aa",
        "             B: bb",
        "executables  3 programs ran on one side alone  (hardly the cause; --full)",
        "             A: /usr/bin/helper1",
        "             B: /usr/bin/helper2, /usr/bin/helper3",
    ]
    full = told(CHANGED, *helpers, full=True)
    assert len(full) == 12 and "executables  /usr/bin/helper3: ran in B alone  (hardly the cause)" in full
    # A single one is told as it is.
    assert told(alone(1, "A")) == told(alone(1, "A"), full=True)


def test_a_hundred_helpers_are_not_a_screen() -> None:
    lines = told(*(alone(number, "B") for number in range(100)))
    assert len(lines) == 2 and max(map(len, lines)) <= WIDTH + 16 and lines[1].endswith("…")


def test_many_causes_about_one_thing_are_cut_and_counted() -> None:
    many = [Cause("executables", f"/bin/{number}: another program", "a", "b") for number in range(SHOWN + 5)]
    variable = Cause("environment", "variable TZ", "UTC", "")
    lines = told(*many, variable)
    assert sum("another program" in line for line in lines) == SHOWN
    assert "environment  variable TZ" in lines and lines[-1] == "executables  … and 5 more (--full)"
    assert sum("another program" in line for line in told(*many, full=True)) == SHOWN + 5


def test_long_values_are_cut_around_what_differs() -> None:
    a, b = "x" * 200 + "first" + "y" * 200, "x" * 200 + "second"
    cause = Cause("command", "command line", a, b)
    _, one, other = told(cause)
    assert "xxfirstyy" in one and one.endswith("y…") and other.endswith("xxsecond")
    assert told(cause, full=True)[1:] == [f"             A: {a}", f"             B: {b}"]
    # What differs near the beginning is shown from there, and what is there on one side alone, whole.
    assert told(Cause("command", "command line", "p" + a, "q" + b))[1].startswith("             A: pxx")
    assert told(Cause("code", "c", "", b))[1:] == ["             A: none", f"             B: {b[: WIDTH - 1]}…"]


def test_paths_are_the_first_few_or_all() -> None:
    files = tuple(FileDifference(b"f%d" % number, "changed") for number in range(SHOWN + 3))
    cause = Cause("inputs", "raw: what was read differs", "r@1", "r@2", files=files)
    assert told(cause)[-1] == "             … and 3 more" and told(cause, full=True)[-1].endswith("changed  f12")
