"""`vfs verify`: all bytes of a commit against their digests."""

from __future__ import annotations

import click

from vfs.cli import options, output, progress
from vfs.cli.call import Call, pass_call
from vfs.cli.names import named
from vfs.cli.parameters import REVISION
from vfs.cli.values import counted
from vfs.config.sizes import format_size
from vfs.errors import Corrupt, UsageError
from vfs.model.ids import short
from vfs.model.revision import Revision
from vfs.repo.resolve import resolve
from vfs.repo.verify import Report, verify


@click.command("verify")
@click.argument("revision", metavar="REV", type=REVISION)
@options.as_json
@pass_call
def verify_command(call: Call, revision: Revision, as_json: bool) -> None:
    """Read a whole commit and check every digest.

    Damaged objects are named with the paths they hit, and the exit code is then 5.

    \b
    Example:
      vfs verify photos@v1
    """
    if revision.path:
        raise UsageError(f"{revision}: a whole commit is verified, not a path")
    library = call.library()
    call.kept = "nothing was changed"
    with progress.shown(f"verify {revision}") as watcher:
        report = verify(library, resolve(library, revision), progress=watcher)
    if as_json:
        output.document(_json(report))
    else:
        read = [counted(report.pages, "page"), counted(report.files, "file"), counted(report.chunks, "chunk")]
        verdict = "all as committed" if report.ok else counted(len(report.damages), "damaged object")
        output.line(f"{', '.join(read)}, {format_size(report.size)} read: {verdict}")
    if not report.ok:
        for damage in report.damages:
            output.complain(str(damage))
        raise Corrupt(f"{revision}: commit {short(report.commit)} is damaged")


def _json(report: Report) -> dict[str, object]:
    return {
        "commit": report.commit.hex(),
        "ok": report.ok,
        "pages": report.pages,
        "files": report.files,
        "chunks": report.chunks,
        "size": report.size,
        "damages": [
            {
                "object": damage.object,
                "cause": damage.cause,
                "entries": damage.entries,
                "paths": [named("path", path) for path in damage.paths],
            }
            for damage in report.damages
        ],
    }
