"""`vfs cat`: the bytes of files."""

from __future__ import annotations

import click

from vfs.cli import output
from vfs.cli.call import Call, pass_call
from vfs.cli.parameters import REVISION
from vfs.cli.place import Place, find
from vfs.errors import IsADirectory, Refused
from vfs.model.entry import Kind
from vfs.model.names import printable
from vfs.model.revision import Revision


@click.command("cat")
@click.argument("revisions", metavar="REV:PATH...", type=REVISION, nargs=-1, required=True)
@pass_call
def cat_command(call: Call, revisions: tuple[Revision, ...]) -> None:
    """Write files of a revision to standard output.

    Byte for byte, one after the other.

    \b
    Examples:
      vfs cat notes:README
      vfs cat logs@v1:2024/a.log logs@v1:2024/b.log | grep ERROR
    """
    for revision in revisions:
        place = find(call, revision)
        _check(place, revision)
        for piece in place.library.files.stream(place.entry):
            output.write(piece)


def _check(place: Place, revision: Revision) -> None:
    if place.entry.kind is Kind.DIR:
        raise IsADirectory(f"{revision}: is a directory")
    if place.entry.kind is Kind.SYMLINK:
        raise Refused(f"{revision}: is a symlink to {printable(place.entry.target)}, which cat does not follow")
