"""`vfs prefetch`: fetch a revision into the local cache."""

from __future__ import annotations

import click

from vfs.cli import options, output, progress
from vfs.cli.call import Call, pass_call
from vfs.cli.parameters import REVISION
from vfs.cli.place import find
from vfs.cli.values import counted
from vfs.config.sizes import format_size
from vfs.model.revision import Revision
from vfs.repo.prefetch import prefetch


@click.command("prefetch")
@click.argument("revision", metavar="REV[:PATH]", type=REVISION)
@options.as_json
@pass_call
def prefetch_command(call: Call, revision: Revision, as_json: bool) -> None:
    """Fetch what a program will read into the local cache.

    Mounts then read it from local disk. What is cached already is not fetched again: interrupted, it goes on where it
    was. With a store on local disk there is nothing to fetch.

    \b
    Example:
      vfs prefetch scans@v3:train
    """
    place = find(call, revision)
    if place.library.cache is None:
        output.note(f"{place.library.store.url}: lies on local disk, nothing to fetch")
    call.kept = "what was fetched stays in the cache; the same command goes on"
    with progress.shown(f"prefetch {revision}") as watcher:
        fetched = prefetch(place.library, place.resolved, progress=watcher)
    if as_json:
        output.document({"files": fetched.files, "size": fetched.size})
    else:
        output.line(f"{counted(fetched.files, 'file')}, {format_size(fetched.size)} at hand")
