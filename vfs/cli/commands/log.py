"""`vfs log`: the commits of a branch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.commits import oneline, print_commit
from vfs.cli.parameters import REVISION
from vfs.cli.signing import judge_of, signature_fields, signature_json
from vfs.cli.values import commit_json
from vfs.errors import PathNotFound
from vfs.model.commit import StoredCommit
from vfs.model.revision import Revision
from vfs.repo.history import log
from vfs.repo.resolve import resolve

if TYPE_CHECKING:
    from vfs.repo.signatures import Judged


@click.command("log")
@click.argument("revision", metavar="REV[:PATH]", type=REVISION)
@click.option("-n", "--limit", type=click.IntRange(min=1), metavar="N", help="At most N commits.")
@click.option("--oneline", "short_form", is_flag=True, help="One line for each commit.")
@click.option("--signatures", is_flag=True, help="Check the signatures of each and show them.")
@options.as_json
@pass_call
def log_command(
    call: Call, revision: Revision, limit: int | None, short_form: bool, signatures: bool, as_json: bool
) -> None:
    """List the commits of a branch, newest first.

    With PATH only the commits that changed something at or below it.

    \b
    Examples:
      vfs log photos
      vfs log --oneline -n 10 photos@main:2024
      vfs log photos --signatures
    """
    library = call.library()
    commits = _some(revision, log(library, resolve(library, revision), limit=limit))
    judge = judge_of(call) if signatures else None
    judged = ((stored, judge.all(library, stored) if judge is not None else None) for stored in commits)
    if as_json:
        output.array(_json(stored, found) for stored, found in judged)
        return
    for at, (stored, found) in enumerate(judged):
        fields = signature_fields(found) if found is not None else []
        if short_form:
            output.line("  ".join([oneline(stored), *(f"[{text}]" for _, text in fields)]))
            continue
        if at:
            output.line()
        print_commit(stored, fields)


def _json(stored: StoredCommit, found: tuple[Judged, ...] | None) -> dict[str, Any]:
    signatures = {} if found is None else {"signatures": list(map(signature_json, found))}
    return {**commit_json(stored), **signatures}


def _some(revision: Revision, commits: Iterator[StoredCommit]) -> Iterator[StoredCommit]:
    """`commits`, of which there is one at least; PathNotFound for a path that none of them knows."""
    first = next(commits, None)
    if first is None:
        raise PathNotFound(f"{revision}: no commit has this path")
    return chain((first,), commits)
