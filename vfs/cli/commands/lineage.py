"""`vfs lineage`: what a commit was made from, and what was made from it."""

from __future__ import annotations

from pathlib import Path

import click

from vfs.cli import output
from vfs.cli.call import Call, pass_call
from vfs.cli.names import one_line
from vfs.cli.parameters import LOCAL_PATH, REVISION
from vfs.files.atomic import write_atomic
from vfs.journal.lineage import down, up
from vfs.journal.render.formats import FORMATS, render
from vfs.model.revision import Revision
from vfs.repo.resolve import resolve

# Readable by others, as a file written by a shell would be.
_MODE = 0o644


@click.command("lineage")
@click.argument("revision", metavar="REV[:PATH]", type=REVISION)
@click.option("--up/--down", "upward", default=True, help="What it was made from (default), or what was made from it.")
@click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Runs to go back or on; all by default.")
@click.option("--format", "-f", "form", type=click.Choice(FORMATS), help="text by default, or by the name of FILE.")
@click.option("--full", is_flag=True, help="Every file, instead of the first few of each run.")
@click.option("-o", "--output", "file", metavar="FILE", type=LOCAL_PATH, help="Write to FILE instead.")
@click.option("--json", "as_json", is_flag=True, help="As --format json.")
@pass_call
def lineage_command(
    call: Call,
    revision: Revision,
    upward: bool,
    depth: int | None,
    form: str | None,
    full: bool,
    file: str | None,
    as_json: bool,
) -> None:
    """Show what a commit was made from, or what was made from it.

    With PATH only what this file, or what lies in this directory, came from or went into. The
    format svg needs graphviz.

    \b
    Examples:
      vfs lineage thumbs
      vfs lineage thumbs:2024/a.png --format mermaid
      vfs lineage photos@v1 --down --depth 2 -o photos.svg
    """
    library = call.library()
    follow = up if upward else down
    graph = follow(library, resolve(library, revision), depth=depth)
    text = render(graph, "json" if as_json else form or _by_name(file), full=full)
    if file is None:
        output.write(text.encode("utf-8", "surrogateescape"))
        return
    write_atomic(Path(file), text.encode("utf-8", "surrogateescape"), mode=_MODE)
    output.line(f"{len(graph.nodes)} nodes written to {one_line(file)}")


def _by_name(file: str | None) -> str:
    ending = Path(file or "").suffix
    known = {".json": "json", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".svg": "svg"}
    return known.get(ending.lower(), "text")
