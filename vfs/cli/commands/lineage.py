"""`vfs lineage`: what a commit was made from, and what was made from it."""

from __future__ import annotations

import click

from vfs.cli.call import Call, pass_call
from vfs.cli.graphs import Wanted, deliver, graph_options
from vfs.cli.parameters import REVISION
from vfs.errors import UsageError
from vfs.journal.lineage import down, up
from vfs.model.revision import Revision
from vfs.repo.resolve import resolve


@click.command("lineage")
@click.argument("revision", metavar="REV[:PATH]", type=REVISION)
@click.option("--up/--down", "upward", default=True, help="What it was made from (default), or what was made from it.")
@click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Runs to go back or on; all by default.")
@click.option("--whole-run", is_flag=True, help="Upwards: all that a run read, not only what its output was made from.")
@click.option("--listings", is_flag=True, help="Follow names as well: of directories listed, and looked for in vain.")
@graph_options
@pass_call
def lineage_command(
    call: Call, revision: Revision, upward: bool, depth: int | None, whole_run: bool, listings: bool, wanted: Wanted
) -> None:
    """Show what a commit was made from, or what was made from it.

    With PATH only what this file, or what lies in this directory, came from or went into: of a run the
    inputs of this output, as far as they can be told from those of the others. The
    format svg needs graphviz; html is a page for people. rocrate is written to FILE, or with
    a page beside it into a directory or .zip. --post sends the events of openlineage, with the
    key in OPENLINEAGE_API_KEY, if set.

    \b
    Examples:
      vfs lineage thumbs
      vfs lineage thumbs:2024/a.png --format mermaid
      vfs lineage photos@v1 --down --depth 2 -o photos.svg
      vfs lineage thumbs -o report.html
      vfs lineage thumbs --post https://lineage.example.org
    """
    if whole_run and not upward:
        raise UsageError("--whole-run: is about what an output was made from; not with --down")
    library = call.library()
    resolved = resolve(library, revision)
    if upward:
        graph = up(library, resolved, depth=depth, whole_run=whole_run, listings=listings)
    else:
        graph = down(library, resolved, depth=depth, listings=listings)
    deliver(call, graph, wanted)
