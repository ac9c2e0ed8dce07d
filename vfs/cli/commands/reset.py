"""`vfs reset`: a branch, or one path of it, as in another commit."""

from __future__ import annotations

import time

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.commits import created
from vfs.cli.names import named
from vfs.cli.parameters import BRANCH, REVISION
from vfs.errors import UsageError
from vfs.journal.record import put_record
from vfs.model.ids import short
from vfs.model.revision import Revision
from vfs.repo.reset import Reset, reset_branch, reset_path


@click.command("reset")
@click.argument("target", metavar="REPO[@BRANCH][:PATH]", type=BRANCH)
@click.argument("revision", metavar="REV", type=REVISION)
@options.message
@options.author
@options.signing
@options.as_json
@pass_call
def reset_command(
    call: Call, target: Revision, revision: Revision, message: str, author: str | None, as_json: bool
) -> None:
    """Move a branch to a commit, or make one path as it was there.

    Without PATH the branch is moved to REV and no commit is made; the commits it leaves stay in the store, and the
    line printed says how to get back. With PATH a new commit is made in which PATH, and all below it, is what it is in
    REV, and everything else stays.

    \b
    Examples:
      vfs reset photos@main photos~1
      vfs reset photos:2024 photos@v1 -m "2024 as released"
    """
    if target.path:
        record = put_record(command=call.command(), started_ns=time.time_ns(), kind="reset")
        done = reset_path(call.library(), target, revision, message=message, author=author, record=record)
    elif message or author:
        raise UsageError("reset: a branch that is moved makes no commit; -m and --author go with a PATH")
    else:
        done = reset_branch(call.library(), target, revision)
    if as_json:
        output.document(_json(target, done))
    else:
        output.line(_told(target, done))


def _told(target: Revision, done: Reset) -> str:
    branch = f"{target.repo}@{target.branch}"
    if not done.changed:
        return (
            f"{branch}: is at {short(done.stored.id)} already" if not target.path else f"{target}: no change, no commit"
        )
    if target.path:
        return created(done.stored, target.branch)
    old = short(done.old)
    return f"{branch} moved from {old} to {short(done.stored.id)}; vfs reset {branch} {target.repo}@{old} goes back"


def _json(target: Revision, done: Reset) -> dict[str, object]:
    return {
        "repo": target.repo,
        "branch": target.branch,
        **named("path", target.path),
        "changed": done.changed,
        "commit": done.stored.id.hex(),
        "old": done.old.hex(),
        "source": done.source.id.hex(),
    }
