"""How the causes of a difference are shown: those that matter in full, what is mostly noise in a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from vfs.cli.names import one_line, shown
from vfs.cli.values import counted
from vfs.journal.causes import Cause

# Paths of a cause, and causes about one thing, that are shown without --full; characters of a value.
SHOWN = 10
WIDTH = 100
INDENT = " " * 13
# Characters of what is the same that are left before what differs.
_BEFORE = 20


def causes_lines(causes: Sequence[Cause], *, full: bool) -> Iterator[str]:
    """The causes, one after another; `full`: each of them, every path, whole values.

    Else programs that ran on one side alone are a line for each side, and the first 10 causes about one thing stand
    for the others: every helper of a pipeline is a program, and an upgrade changes all of them.
    """
    if full:
        for cause in causes:
            yield from _lines(cause, full=True)
        return
    alone = [cause for cause in causes if cause.about == "executables" and not cause.likely]
    told = [cause for cause in causes if len(alone) < 2 or cause not in alone]
    yield from _few(told)
    if len(alone) > 1:
        yield from _alone(alone)


def clipped(text: str, *, full: bool, start: int = 0) -> str:
    """`text` on one line, from `start` on, cut at the width unless `full`."""
    if full:
        return text
    begun = f"…{text[start:]}" if start else text
    return begun if len(begun) <= WIDTH else begun[: WIDTH - 1] + "…"


def _few(causes: Iterable[Cause]) -> Iterator[str]:
    count: dict[str, int] = {}
    for cause in causes:
        count[cause.about] = count.get(cause.about, 0) + 1
        if count[cause.about] <= SHOWN:
            yield from _lines(cause, full=False)
    for about, number in count.items():
        if number > SHOWN:
            yield f"{about:11}  … and {number - SHOWN} more (--full)"


def _lines(cause: Cause, *, full: bool) -> Iterator[str]:
    unlikely = "" if cause.likely else "  (hardly the cause)"
    yield f"{cause.about:11}  {one_line(cause.text)}{unlikely}"
    a, b = one_line(cause.a) or "none", one_line(cause.b) or "none"
    start = _differ_from(a, b)
    for name, value in (("A", a), ("B", b)):
        yield f"{INDENT}{name}: {clipped(value, full=full, start=start)}"
    files = cause.files if full else cause.files[:SHOWN]
    for one in files:
        yield f"{INDENT}{one.change}  {shown(one.path) or '.'}"
    if len(files) < len(cause.files):
        yield f"{INDENT}… and {len(cause.files) - len(files)} more"


def _differ_from(a: str, b: str) -> int:
    """Where to begin with values that differ only behind what would be cut off."""
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
    return same - _BEFORE if same > WIDTH - _BEFORE else 0


def _alone(causes: Sequence[Cause]) -> Iterator[str]:
    yield f"{'executables':11}  {counted(len(causes), 'program')} ran on one side alone  (hardly the cause; --full)"
    for name, found in (("A", [one for one in causes if one.a]), ("B", [one for one in causes if one.b])):
        if found:
            yield f"{INDENT}{name}: {clipped(', '.join(one_line(one.subject) for one in found), full=False)}"
