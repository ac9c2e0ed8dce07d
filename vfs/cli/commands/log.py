"""`vfs log`: the commits of a branch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.commits import oneline, print_commit
from vfs.cli.parameters import REVISION
from vfs.cli.values import commit_json
from vfs.errors import PathNotFound
from vfs.model.commit import StoredCommit
from vfs.model.revision import Revision
from vfs.repo.history import log
from vfs.repo.resolve import resolve


@click.command("log")
@click.argument("revision", metavar="REV[:PATH]", type=REVISION)
@click.option("-n", "--limit", type=click.IntRange(min=1), metavar="N", help="At most N commits.")
@click.option("--oneline", "short_form", is_flag=True, help="One line for each commit.")
@options.as_json
@pass_call
def log_command(call: Call, revision: Revision, limit: int | None, short_form: bool, as_json: bool) -> None:
    """List the commits of a branch, newest first.

    With PATH only the commits that changed something at or below it.

    \b
    Examples:
      vfs log photos
      vfs log --oneline -n 10 photos@main:2024
    """
    library = call.library()
    commits = _some(revision, log(library, resolve(library, revision), limit=limit))
    if as_json:
        output.array(map(commit_json, commits))
        return
    for at, stored in enumerate(commits):
        if short_form:
            output.line(oneline(stored))
            continue
        if at:
            output.line()
        print_commit(stored)


def _some(revision: Revision, commits: Iterator[StoredCommit]) -> Iterator[StoredCommit]:
    """`commits`, of which there is one at least; PathNotFound for a path that none of them knows."""
    first = next(commits, None)
    if first is None:
        raise PathNotFound(f"{revision}: no commit has this path")
    return chain((first,), commits)
