"""`vfs du`: how much directories hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.names import named, shown
from vfs.cli.parameters import REVISION
from vfs.cli.place import Place, find
from vfs.cli.values import human_size
from vfs.model.entry import Kind
from vfs.model.revision import Revision


@click.command("du", context_settings={"help_option_names": ["--help"]})
@click.argument("revision", metavar="REV[:PATH]", type=REVISION)
@click.option("-h", "--human", is_flag=True, help="Sizes as 1.4M instead of bytes.")
@click.option("-d", "--depth", type=click.IntRange(min=0), metavar="N", help="Levels to show; 0 is the total alone.")
@click.option("-s", "--summary", is_flag=True, help="The total alone, as -d 0.")
@options.as_json
@pass_call
def du_command(call: Call, revision: Revision, human: bool, depth: int | None, summary: bool, as_json: bool) -> None:
    """Show how much the directories hold.

    Each line has the bytes of content, the number of names, and the path. Sizes are those of the files as programs see
    them, before compression and sharing.

    \b
    Examples:
      vfs du -h photos
      vfs du -s photos@v1:2024
    """
    place = find(call, revision)
    found = _directories(place, 0 if summary else depth)
    if as_json:
        output.array(_json(place, path) for path in found)
        return
    top = place.tree.totals(place.entry.path)
    size_width = 5 if human else len(str(top.size))
    for path in found:
        totals = place.tree.totals(path)
        size = human_size(totals.size) if human else str(totals.size)
        output.line(f"{size:>{size_width}}  {totals.entries:>{len(str(top.entries))}}  {shown(path) or '.'}")


def _directories(place: Place, depth: int | None) -> Iterator[bytes]:
    """Paths of directories, each after all below it, the place itself last."""
    stack = [(place.entry.path, _below(place, place.entry.path, depth, 0))]
    while stack:
        path, below = stack[-1]
        inner = next(below, None)
        if inner is None:
            stack.pop()
            yield path
        else:
            stack.append((inner, _below(place, inner, depth, len(stack))))


def _below(place: Place, path: bytes, depth: int | None, level: int) -> Iterator[bytes]:
    if place.entry.kind is not Kind.DIR or (depth is not None and level >= depth):
        return iter(())
    return (entry.path for _, entry in place.tree.children(path) if entry.kind is Kind.DIR)


def _json(place: Place, path: bytes) -> dict[str, Any]:
    totals = place.tree.totals(path)
    return {**named("path", path), "size": totals.size, "entries": totals.entries, "files": totals.files}
