"""`vfs put`: local files into a branch."""

from __future__ import annotations

import time

import click

from vfs.cli import options, output, progress
from vfs.cli.call import Call, pass_call
from vfs.cli.commits import created
from vfs.cli.names import named, raw
from vfs.cli.parameters import BRANCH, LOCAL_PATH
from vfs.cli.values import counted
from vfs.config.sizes import format_size
from vfs.errors import Partial
from vfs.journal.record import put_record
from vfs.model.names import clean_path
from vfs.model.revision import Revision
from vfs.repo.put import PutResult, put
from vfs.repo.sources import parse_source
from vfs.run.code import with_code

_KEPT = "nothing was committed; what is in the store already is reused when the command is run again"


@click.command("put")
@click.argument("target", metavar="REPO[@BRANCH]", type=BRANCH)
@click.argument("paths", metavar="PATH...", type=LOCAL_PATH, nargs=-1, required=True)
@options.message
@click.option("--prefix", metavar="PATH", default="", help="Where in the tree; for '-' the name of the file itself.")
@click.option("--no-ignore", is_flag=True, help="Put what a .vfsignore keeps out, too.")
@options.author
@options.signing
@options.as_json
@pass_call
def put_command(
    call: Call,
    target: Revision,
    paths: tuple[str, ...],
    message: str,
    prefix: str,
    no_ignore: bool,
    author: str | None,
    as_json: bool,
) -> None:
    """Commit files and directories into a repo.

    A PATH lands under its own name, as with cp; DIR/ puts what is in DIR, as with rsync; - is standard input and needs
    --prefix for its name. What the branch holds besides stays. Sockets, devices and pipes are skipped; files
    that cannot be read are named and left out, and the exit code is then 1. What a .vfsignore (rules of .gitignore) in
    a directory that is put keeps out is left out and counted, unless the branch has it already.

    \b
    Examples:
      vfs put photos ~/Pictures/2024 -m "the summer"
      vfs put photos@new --prefix raw ~/camera/
      pg_dump shop | vfs put dumps - --prefix shop.sql
    """
    started, call.kept = time.time_ns(), _KEPT
    record, warnings = with_code(put_record(command=call.command(), started_ns=started))
    for text in warnings:
        output.warn(text)
    with progress.shown(f"put {target}") as watcher:
        result = put(
            call.library(),
            target,
            [parse_source(raw(path)) for path in paths],
            prefix=clean_path(raw(prefix)),
            message=message,
            author=author,
            progress=watcher,
            record=record,
            ignoring=not no_ignore,
        )
    call.kept = ""
    _report(target, result, as_json)


def _report(target: Revision, result: PutResult, as_json: bool) -> None:
    if as_json:
        output.document(_json(target, result))
    elif result.stored is None or not result.changed:
        output.line(f"{target.repo}@{target.branch}: no change, no commit")
    else:
        output.line(f"{created(result.stored, target.branch)}; {format_size(result.stats.bytes_stored)} stored")
    for text in result.warnings:
        output.warn(text)
    for failure in result.failures:
        output.complain(str(failure))
    if result.failures:
        raise Partial(f"{target}: {counted(len(result.failures), 'path')} left out, the rest was put")


def _json(target: Revision, result: PutResult) -> dict[str, object]:
    stats = result.stats
    return {
        "repo": target.repo,
        "branch": target.branch,
        "commit": result.stored.id.hex() if result.stored else None,
        "changed": result.changed,
        "bytes_new": stats.bytes_new,
        "bytes_reused": stats.bytes_reused,
        "bytes_stored": stats.bytes_stored,
        "warnings": list(result.warnings),
        "failures": [{**named("path", failure.path), "cause": failure.cause} for failure in result.failures],
    }
