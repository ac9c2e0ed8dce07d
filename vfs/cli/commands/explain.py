"""`vfs explain`: why two commits differ."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.commits import command_text
from vfs.cli.explained import INDENT, SHOWN, causes_lines, clipped
from vfs.cli.names import first_line, named, one_line, shown
from vfs.cli.parameters import REVISION
from vfs.cli.values import local_time, utc_time
from vfs.errors import UsageError
from vfs.journal.causes import Cause
from vfs.journal.explain import Explanation, OutputDifference, Side, differing_outputs, explain
from vfs.model.ids import short
from vfs.model.revision import Revision
from vfs.repo.resolve import resolve

_KINDS = {"A": "added", "D": "deleted", "M": "modified", "T": "type", "P": "attributes"}


@click.command("explain")
@click.argument("a", metavar="A", type=REVISION)
@click.argument("b", metavar="B", type=REVISION)
@click.option("--full", is_flag=True, help="Every path and whole values, instead of the first few.")
@options.as_json
@pass_call
def explain_command(call: Call, a: Revision, b: Revision, full: bool, as_json: bool) -> None:
    """Show why two commits differ.

    What their runs read, the code, the command, the environment, the programs and the machine, side by side,
    likely causes first; then the outputs that differ. With REV:PATH on both sides, only this output
    and what it was made from.

    \b
    Examples:
      vfs explain thumbs~1 thumbs
      vfs explain report@v1:index.html report:index.html --full
      vfs explain --json model@a model@b | jq -r .verdict
    """
    if bool(a.path) is not bool(b.path):
        raise UsageError("explain: give a path on both sides or on none")
    library = call.library()
    old, new = resolve(library, a), resolve(library, b)
    found = explain(library, old, new)
    outputs = iter(()) if found.same else differing_outputs(library, old, new)
    if as_json:
        output.document(_json(found, outputs))
    else:
        _print(found, outputs, full=full)


def _print(found: Explanation, outputs: Iterator[OutputDifference], *, full: bool) -> None:
    for name, side in (("A", found.a), ("B", found.b)):
        output.line(f"{name}  {_title(side, full=full)}")
    output.line()
    output.line(one_line(found.verdict))
    for text in causes_lines(found.causes, full=full):
        output.line(text)
    limit = None if full else SHOWN
    differing = [f"{one.change.value}  {shown(one.path) or '.'}{_place(one)}" for one in islice(outputs, limit)]
    for place, text in enumerate(differing):
        output.line(f"{'outputs' if not place else '':11}  {text}")
    if next(outputs, None) is not None:
        output.line(f"{INDENT}… and more (--full)")


def _place(one: OutputDifference) -> str:
    return f"  (from byte {one.offset} on)" if one.offset is not None else ""


def _title(side: Side, *, full: bool) -> str:
    commit = side.maker.commit
    record = side.sealed.record if side.sealed is not None else None
    command = clipped(first_line(command_text(record.command)), full=full) if record is not None else ""
    how = f"{record.kind}: {command}" if record is not None else "no run record"
    path = f":{shown(side.resolved.path)}" if side.resolved.path else ""
    narrowed = "" if side.narrowed or not path or record is None else "  (its own inputs are not known: all of the run)"
    return f"{commit.repo}@{short(side.maker.id)}{path}  {local_time(commit.time_ns)}  {how}{narrowed}"


def _json(found: Explanation, outputs: Iterator[OutputDifference]) -> dict[str, Any]:
    return {
        "a": _side_json(found.a),
        "b": _side_json(found.b),
        "verdict": found.verdict,
        "same": found.same,
        "causes": [_cause_json(cause) for cause in found.causes],
        "outputs": [
            {
                **named("path", one.path),
                "change": one.change.value,
                "kind": _KINDS[one.change.value],
                "first_byte": one.offset,
            }
            for one in outputs
        ],
    }


def _side_json(side: Side) -> dict[str, Any]:
    record = side.sealed.record if side.sealed is not None else None
    return {
        "repo": side.maker.commit.repo,
        "commit": side.maker.id.hex(),
        "asked": side.resolved.stored.id.hex(),
        **(named("path", side.resolved.path) if side.resolved.path else {}),
        "time": utc_time(side.maker.commit.time_ns),
        "kind": record.kind if record is not None else None,
        "observed": side.sealed.observed if side.sealed is not None else False,
        "narrowed": side.narrowed,
    }


def _cause_json(cause: Cause) -> dict[str, Any]:
    return {
        "about": cause.about,
        "text": cause.text,
        "a": cause.a,
        "b": cause.b,
        "likely": cause.likely,
        "files": [{**named("path", one.path), "change": one.change} for one in cause.files],
    }
