"""`vfs tree`: directories drawn as a tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.names import shown
from vfs.cli.parameters import REVISION
from vfs.cli.place import Place, find
from vfs.cli.values import counted, entry_json
from vfs.model.entry import Entry, Kind
from vfs.model.revision import Revision


class _Line(NamedTuple):
    entry: Entry
    depth: int
    lead: str


@click.command("tree")
@click.argument("revision", metavar="REV[:PATH]", type=REVISION)
@click.option("-L", "--depth", type=click.IntRange(min=1), metavar="N", help="Levels to show.")
@click.option("-d", "--directories", is_flag=True, help="Directories only.")
@options.as_json
@pass_call
def tree_command(call: Call, revision: Revision, depth: int | None, directories: bool, as_json: bool) -> None:
    """Show directories as a tree.

    As JSON it is a list in the same order, each entry with its depth.

    \b
    Examples:
      vfs tree photos
      vfs tree -L 2 -d photos@v1:2024
    """
    place = find(call, revision)
    lines = _lines(place, depth, directories)
    if as_json:
        output.array({"depth": found.depth, **entry_json(found.entry)} for found in lines)
        return
    output.line(str(revision))
    count = dict.fromkeys(Kind, 0)
    for found in lines:
        count[found.entry.kind] += 1
        target = f" -> {shown(found.entry.target)}" if found.entry.target else ""
        output.line(found.lead + shown(found.entry.name) + target)
    others = count[Kind.FILE] + count[Kind.SYMLINK]
    output.line()
    output.line(counted(count[Kind.DIR], "directory") + ("" if directories else f", {counted(others, 'file')}"))


def _lines(place: Place, depth: int | None, directories: bool) -> Iterator[_Line]:
    """All below the place, depth first. A stack of iterators, since trees may be deeper than Python recurses."""
    if place.entry.kind is not Kind.DIR:
        return
    stack = [_with_last(place, place.entry.path, directories)]
    leads = [""]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
            leads.pop()
            continue
        entry, last = found
        yield _Line(entry, len(stack), leads[-1] + ("└── " if last else "├── "))
        if entry.kind is Kind.DIR and (depth is None or len(stack) < depth):
            leads.append(leads[-1] + ("    " if last else "│   "))
            stack.append(_with_last(place, entry.path, directories))


def _with_last(place: Place, path: bytes, directories: bool) -> Iterator[tuple[Entry, bool]]:
    held: Entry | None = None
    for _, entry in place.tree.children(path):
        if directories and entry.kind is not Kind.DIR:
            continue
        if held is not None:
            yield held, False
        held = entry
    if held is not None:
        yield held, True
