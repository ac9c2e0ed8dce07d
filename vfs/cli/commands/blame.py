"""`vfs blame`: the commits and runs that made a path what it is."""

from __future__ import annotations

import click

from vfs.cli.call import Call, pass_call
from vfs.cli.graphs import Wanted, deliver, graph_options
from vfs.cli.parameters import REVISION
from vfs.journal.blame import blame
from vfs.model.revision import Revision
from vfs.repo.resolve import resolve


@click.command("blame")
@click.argument("revision", metavar="REV[:PATH]", type=REVISION)
@click.option("-r", "--recursive", is_flag=True, help="Of a directory every file below it, not only its entries.")
@graph_options
@pass_call
def blame_command(call: Call, revision: Revision, recursive: bool, wanted: Wanted) -> None:
    """Show which commits and runs made a path what it is.

    Of a file all its versions, the newest first; of a directory, or without PATH of the root, the last commit
    behind each entry. With each: when, who, from how many files, by which command.

    \b
    Examples:
      vfs blame thumbs:2024/a.png
      vfs blame -r thumbs@v1:2024
      vfs blame --json thumbs:2024/a.png | jq -r '.versions[].digest'
    """
    library = call.library()
    deliver(call, blame(library, resolve(library, revision), recursive=recursive), wanted)
