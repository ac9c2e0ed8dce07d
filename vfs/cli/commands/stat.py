"""`vfs stat`: one entry in full."""

from __future__ import annotations

from typing import Any

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.names import shown
from vfs.cli.parameters import REVISION
from vfs.cli.place import Place, find
from vfs.cli.values import entry_json, kind_word, mode_text, utc_time
from vfs.model.entry import ChunkList, Kind
from vfs.model.revision import Revision


@click.command("stat")
@click.argument("revisions", metavar="REV[:PATH]...", type=REVISION, nargs=-1, required=True)
@options.as_json
@pass_call
def stat_command(call: Call, revisions: tuple[Revision, ...], as_json: bool) -> None:
    """Show all that is known of one path.

    The digest of a file is its BLAKE3, the figure that `b3sum FILE` prints. The inode number is the one a mount of
    the commit shows.

    \b
    Examples:
      vfs stat photos:2024/a.jpg
      vfs stat --json photos photos@v1
    """
    places = (find(call, revision) for revision in revisions)
    if as_json:
        output.array(map(_json, places))
        return
    for at, place in enumerate(places):
        if at:
            output.line()
        output.fields(_fields(place))


def _fields(place: Place) -> list[tuple[str, str]]:
    entry = place.entry
    fields = [
        ("path", shown(entry.path) or "/"),
        ("commit", place.resolved.stored.id.hex()),
        ("kind", kind_word(entry)),
        ("mode", f"{entry.mode:04o} {mode_text(entry)}"),
        ("modified", utc_time(entry.mtime_ns)),
        ("inode", str(place.row + 1)),
        ("digest", entry.digest.hex()),
        ("target", shown(entry.target)),
    ]
    fields += [(name, str(value)) for name, value in _measures(place).items()]
    return fields + [("xattr", f"{shown(name)}={shown(value)}") for name, value in entry.xattrs]


def _measures(place: Place) -> dict[str, int]:
    entry = place.entry
    if entry.kind is Kind.DIR:
        totals = place.tree.totals(entry.path)
        return {"size": totals.size, "entries": totals.entries, "files": totals.files}
    if not isinstance(entry.content, ChunkList):
        return {"size": entry.size}
    stored = [ref.stored for ref in place.library.files.chunks(entry)]
    return {"size": entry.size, "chunks": len(stored), "stored": sum(stored)}


def _json(place: Place) -> dict[str, Any]:
    found = entry_json(place.entry)
    found.update(_measures(place))
    return {"repo": place.resolved.repo, "commit": place.resolved.stored.id.hex(), "inode": place.row + 1, **found}
