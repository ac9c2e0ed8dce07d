"""`vfs rm`: a commit without some path."""

from __future__ import annotations

import time

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.commits import created
from vfs.cli.names import raw
from vfs.cli.parameters import REVISION
from vfs.journal.record import put_record
from vfs.model.names import clean_path
from vfs.model.revision import Revision
from vfs.repo.remove import remove


@click.command("rm")
@click.argument("revision", metavar="REPO[@BRANCH]:PATH", type=REVISION)
@click.argument("more", metavar="[PATH]...", nargs=-1)
@options.message
@options.author
@options.signing
@pass_call
def rm_command(call: Call, revision: Revision, more: tuple[str, ...], message: str, author: str | None) -> None:
    """Remove a path from a branch, as a new commit.

    A directory goes with all below it. Older commits keep what they had. Further PATHs are of the same branch.

    \b
    Examples:
      vfs rm photos:2024/blurred.jpg
      vfs rm photos@main:tmp cache -m "no build products"
    """
    record = put_record(command=call.command(), started_ns=time.time_ns(), kind="rm")
    paths = [clean_path(raw(path)) for path in more]
    stored = remove(call.library(), revision, paths, message=message, author=author, record=record)
    output.line(created(stored, revision.branch))
