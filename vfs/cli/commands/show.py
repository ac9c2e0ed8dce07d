"""`vfs show`: one commit in full."""

from __future__ import annotations

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.commits import print_commit
from vfs.cli.parameters import REVISION
from vfs.cli.records import print_record, record_fields, record_json
from vfs.cli.signing import judge_of, signature_fields, signature_json
from vfs.cli.values import commit_json
from vfs.errors import UsageError
from vfs.model.revision import Revision
from vfs.repo.commits import read_record
from vfs.repo.resolve import resolve


@click.command("show")
@click.argument("revision", metavar="REV", type=REVISION)
@click.option("--full", is_flag=True, help="All processes, what each of them read, and who wrote which output.")
@options.as_json
@pass_call
def show_command(call: Call, revision: Revision, full: bool, as_json: bool) -> None:
    """Show one commit and what it was made from.

    As JSON the run record comes whole: processes, files read, outputs.

    \b
    Examples:
      vfs show photos@v1
      vfs show --full thumbs
      vfs show --json thumbs | jq '.record.reads[].path'
    """
    if revision.path:
        raise UsageError(f"{revision}: show is about a commit; vfs stat shows a path")
    library = call.library()
    stored = resolve(library, revision).stored
    record = read_record(library, stored)
    signatures = judge_of(call).all(library, stored)
    if as_json:
        signed = {"signatures": list(map(signature_json, signatures))}
        output.document({**commit_json(stored), **signed, "record": record_json(record) if record else None})
        return
    print_commit(stored, signature_fields(signatures) if signatures else (), command=record is None)
    if record is not None:
        output.line()
        output.fields(record_fields(record))
        if full:
            print_record(record)
