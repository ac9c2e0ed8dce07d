"""`vfs export`: a revision as ordinary files."""

from __future__ import annotations

import click

from vfs.cli import output, progress
from vfs.cli.call import Call, pass_call
from vfs.cli.names import one_line, raw
from vfs.cli.parameters import LOCAL_PATH, REVISION
from vfs.cli.values import counted
from vfs.config.sizes import format_size
from vfs.model.revision import Revision
from vfs.repo.export import export
from vfs.repo.resolve import resolve


@click.command("export")
@click.argument("revision", metavar="REV[:PATH]", type=REVISION)
@click.argument("directory", metavar="DIR", type=LOCAL_PATH)
@pass_call
def export_command(call: Call, revision: Revision, directory: str) -> None:
    """Write a revision to a local directory.

    DIR is made, or must be empty. Modes, times, symlinks, holes and extended attributes come out as they were put.

    \b
    Examples:
      vfs export photos@v1 /tmp/photos
      vfs export photos:2024 /tmp/2024
    """
    library = call.library()
    call.kept = f"{one_line(directory)} holds what was written so far"
    with progress.shown(f"export {revision}") as watcher:
        done = export(library, resolve(library, revision), raw(directory), progress=watcher)
    output.line(f"{counted(done.entries, 'entry')}, {format_size(done.size)} written to {one_line(directory)}")
    for text in done.warnings:
        output.warn(text)
