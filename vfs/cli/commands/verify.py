"""`vfs verify`: all bytes of a commit against their digests, and its signatures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import click
import msgspec

from vfs.cli import options, output, progress
from vfs.cli.call import Call, pass_call
from vfs.cli.names import named
from vfs.cli.parameters import REVISION
from vfs.cli.signing import judge_of, signature_json, signature_text
from vfs.cli.values import counted
from vfs.config.sizes import format_size
from vfs.errors import Corrupt, Refused, UsageError
from vfs.model.commit import StoredCommit
from vfs.model.ids import short
from vfs.model.revision import Revision
from vfs.repo.history import log
from vfs.repo.resolve import resolve
from vfs.repo.signatures import Judged, Standing
from vfs.repo.verify import Report, verify


class _Verified:
    """One commit: what reading it found (None: it was not read), and what its signatures are worth."""

    def __init__(self, stored: StoredCommit, report: Report | None, signatures: tuple[Judged, ...]) -> None:
        self.stored = stored
        self.report = report
        self.signatures = signatures

    @property
    def complaints(self) -> list[str]:
        """What is damaged, in words."""
        bad = [one.cause for one in self.signatures if one.standing is Standing.BAD]
        return [*map(str, self.report.damages if self.report else ()), *bad]

    @property
    def trusted(self) -> bool:
        """Signed by a key that is trusted."""
        return any(one.standing is Standing.TRUSTED for one in self.signatures)


@click.command("verify")
@click.argument("revision", metavar="REV", type=REVISION)
@click.option("--history", is_flag=True, help="Verify all commits it comes from as well.")
@click.option("--signatures-only", is_flag=True, help="Check signatures, and read no content.")
@click.option("--require-signature", is_flag=True, help="Fail unless each commit is signed by a key that is trusted.")
@options.as_json
@pass_call
def verify_command(
    call: Call, revision: Revision, history: bool, signatures_only: bool, require_signature: bool, as_json: bool
) -> None:
    """Read a whole commit, check every digest and its signatures.

    Damaged objects are named with the paths they hit, bad signatures by their object, and the exit code is then 5.
    With --require-signature it is 1 for a commit that no trusted key has signed.

    \b
    Examples:
      vfs verify photos@v1
      vfs verify photos --history --signatures-only --require-signature
    """
    if revision.path:
        raise UsageError(f"{revision}: a whole commit is verified, not a path")
    call.kept = "nothing was changed"
    done = _all(call, revision, history=history, content=not signatures_only)
    found = list(_shown(done, quiet=as_json))
    if as_json:
        documents = [_json(one) for one in found]
        output.document(documents if history else documents[0])
    _conclude(revision, found, require_signature)


def _all(call: Call, revision: Revision, *, history: bool, content: bool) -> Iterator[_Verified]:
    library, judge = call.library(), judge_of(call)
    first = resolve(library, revision)
    for stored in log(library, first) if history else islice((first.stored,), 1):
        report = None
        if content:
            with progress.shown(f"verify {revision}") as watcher:
                report = verify(library, msgspec.structs.replace(first, stored=stored), progress=watcher)
        yield _Verified(stored, report, judge.all(library, stored))


def _shown(done: Iterator[_Verified], *, quiet: bool) -> Iterator[_Verified]:
    """Each as it comes, on standard output unless `quiet`; the complaints on standard error."""
    for one in done:
        if not quiet:
            _print(one)
        for text in one.complaints:
            output.complain(text)
        yield one


def _print(one: _Verified) -> None:
    good = [signature_text(found) for found in one.signatures if found.standing is not Standing.BAD]
    for text in good or ["not signed"]:
        output.line(f"commit {short(one.stored.id)}: {text}")
    if one.report is not None:
        output.line(_verdict(one.report))


def _verdict(report: Report) -> str:
    read = [counted(report.pages, "page"), counted(report.files, "file"), counted(report.chunks, "chunk")]
    verdict = "all as committed" if report.ok else counted(len(report.damages), "damaged object")
    return f"{', '.join(read)}, {format_size(report.size)} read: {verdict}"


def _conclude(revision: Revision, found: list[_Verified], require_signature: bool) -> None:
    damaged = [one for one in found if one.complaints]
    if damaged:
        more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        unread = any(one.report is not None and not one.report.ok for one in damaged)
        what = "is damaged" if unread else "has bad signatures"
        raise Corrupt(f"{revision}: commit {short(damaged[0].stored.id)}{more} {what}")
    unsigned = [one for one in found if not one.trusted]
    if require_signature and unsigned:
        more = f" and {len(unsigned) - 1} more" if len(unsigned) > 1 else ""
        raise Refused(f"{revision}: commit {short(unsigned[0].stored.id)}{more}: no signature by a trusted key")


def _json(one: _Verified) -> dict[str, Any]:
    report = one.report
    found: dict[str, Any] = {
        "commit": one.stored.id.hex(),
        "ok": not one.complaints,
        "trusted": one.trusted,
        "signatures": [signature_json(signature) for signature in one.signatures],
    }
    return {**found, **(_report_json(report) if report is not None else {})}


def _report_json(report: Report) -> dict[str, Any]:
    return {
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
