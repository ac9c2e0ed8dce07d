"""`vfs revert`: the opposite of an earlier commit."""

from __future__ import annotations

import time

import click

from vfs.cli import options, output, suggest
from vfs.cli.call import Call, pass_call
from vfs.cli.commits import created
from vfs.cli.parameters import REVISION
from vfs.journal.record import put_record
from vfs.model.ids import short
from vfs.model.revision import Revision
from vfs.repo.revert import Reverted, revert


def _branches(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    # An option that still waits for its value ends the parsing, so the words before it are where click left them.
    words = [str(ctx.params["revision"])] if ctx.params.get("revision") else ctx.args
    repo = words[0].partition(":")[0].partition("@")[0].partition("~")[0] if words else ""
    return [text.partition("@")[2] for text in suggest.revisions(ctx, f"{repo}@{incomplete}")]


@click.command("revert")
@click.argument("revision", metavar="REV[:PATH]", type=REVISION)
@click.option("--on", "branch", metavar="BRANCH", shell_complete=_branches, help="The branch, if REV does not name it.")
@click.option("--parent", metavar="N", type=int, help="Which parent of a merge to go back to, from 1.")
@options.message
@options.author
@options.signing
@options.as_json
@pass_call
def revert_command(
    call: Call,
    revision: Revision,
    branch: str | None,
    parent: int | None,
    message: str,
    author: str | None,
    as_json: bool,
) -> None:
    """Undo what a commit changed, as a new commit.

    What the commit REV changed against its parent, at and below PATH if there is one, is taken back on the branch that
    REV names, or else on main. What other commits changed stays; paths that were changed again since are named,
    the exit code is then 4 and the branch as it was.

    \b
    Examples:
      vfs revert photos
      vfs revert photos~2:2024 -m "the raw files again"
      vfs revert photos@4be1 --on retouched
    """
    done = revert(
        call.library(),
        revision,
        branch=branch,
        parent=parent,
        message=message,
        author=author,
        record=put_record(command=call.command(), started_ns=time.time_ns(), kind="revert"),
    )
    if as_json:
        output.document(_json(revision, done))
    elif done.changed:
        output.line(f"{created(done.stored, done.branch)}; {short(done.undone.id)} undone")
    else:
        output.line(f"{revision.repo}@{done.branch}: nothing of {short(done.undone.id)} is left to undo, no commit")


def _json(revision: Revision, done: Reverted) -> dict[str, object]:
    return {
        "repo": revision.repo,
        "branch": done.branch,
        "changed": done.changed,
        "commit": done.stored.id.hex(),
        "undone": done.undone.id.hex(),
    }
