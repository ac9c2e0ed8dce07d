"""`vfs merge`: the changes of a revision into a branch."""

from __future__ import annotations

import time

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.commits import created
from vfs.cli.names import raw
from vfs.cli.parameters import BRANCH, REVISION
from vfs.journal.record import put_record
from vfs.model.ids import short
from vfs.model.names import clean_path
from vfs.model.revision import Revision
from vfs.repo.merging import Merge, MergeEnd, MergeOptions, merge


@click.command("merge")
@click.argument("into", metavar="REPO[@BRANCH]", type=BRANCH)
@click.argument("revision", metavar="REV", type=REVISION)
@options.message
@click.option("--dry-run", is_flag=True, help="Only say how it would end; nothing is stored.")
@click.option("--no-ff", "no_forward", is_flag=True, help="Make a commit even where the branch could just move to REV.")
@click.option("--ours", metavar="PATH", multiple=True, help="Leave PATH as the branch has it. Repeatable.")
@click.option("--theirs", metavar="PATH", multiple=True, help="Make PATH what it is in REV. Repeatable.")
@options.author
@options.signing
@options.as_json
@pass_call
def merge_command(
    call: Call,
    into: Revision,
    revision: Revision,
    message: str,
    dry_run: bool,
    no_forward: bool,
    ours: tuple[str, ...],
    theirs: tuple[str, ...],
    author: str | None,
    as_json: bool,
) -> None:
    """Bring the changes of a revision into a branch.

    What REV changed since the commit that both come from is made on the branch too, as a commit with two parents. A
    branch that changed nothing since then just moves to REV. Paths that both changed are named, the exit code is
    then 4 and the branch as it was; --ours and --theirs settle a path, with all below it.

    \b
    Examples:
      vfs merge photos photos@retouched
      vfs merge photos@main photos@retouched --dry-run
      vfs merge photos photos@4be1 --theirs 2024 -m "the new ones"
    """
    done = merge(
        call.library(),
        into,
        revision,
        message=message,
        author=author,
        record=put_record(command=call.command(), started_ns=time.time_ns(), kind="merge"),
        options=MergeOptions(dry_run, not no_forward, _paths(ours), _paths(theirs)),
    )
    if as_json:
        output.document(_json(into, done, dry_run))
    else:
        output.line(_told(into, revision, done, dry_run))


def _paths(words: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(clean_path(raw(word)) for word in words)


def _told(into: Revision, revision: Revision, done: Merge, dry_run: bool) -> str:
    branch = f"{into.repo}@{into.branch}"
    if done.end is MergeEnd.CONTAINED:
        return f"{branch}: has all of {revision} already, nothing to merge"
    forward = done.end is MergeEnd.FORWARD
    if dry_run:
        return (
            f"{branch}: {f'would move to {short(done.other.id)}' if forward else 'can be merged'}, nothing was changed"
        )
    return created(done.stored, into.branch) + (f"; moved on from {short(done.old.id)}" if forward else "")


def _json(into: Revision, done: Merge, dry_run: bool) -> dict[str, object]:
    return {
        "repo": into.repo,
        "branch": into.branch,
        "result": done.end.value,
        "dry_run": dry_run,
        "changed": done.stored.id != done.old.id,
        "commit": done.stored.id.hex(),
        "old": done.old.id.hex(),
        "merged": done.other.id.hex(),
        "base": done.base.id.hex() if done.base else None,
    }
