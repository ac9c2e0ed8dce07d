"""`vfs journal session`: what the journal of this host knows of one session, be it a run that failed."""

from __future__ import annotations

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.records import print_record, record_fields, record_json
from vfs.errors import NotFound, Refused
from vfs.journal.log import Journal
from vfs.journal.record import run_record
from vfs.model.record import RunRecord


@click.command("session")
@click.argument("session", metavar="SESSION")
@click.option("--full", is_flag=True, help="All processes, and what each of them read and wrote.")
@options.as_json
@pass_call
def session_command(call: Call, session: str, full: bool, as_json: bool) -> None:
    """Show what was observed of one session: a run, a mount, a shell.

    It is what its commit would say of it, also of a run that failed and of a mount of which nothing was committed.
    SESSION is an id of vfs journal list, or the beginning of one.

    \b
    Examples:
      vfs journal list -n 5
      vfs journal session 3f9a1c --full
    """
    with Journal.open(call.settings().state_dir) as journal:
        id = _find(journal, session)
        record, ended = _record(journal, id)
    if as_json:
        output.document({"session": id, "is_ended": ended, "record": record_json(record)})
        return
    output.fields([("session", id), ("state", "" if ended else "not ended, or cut off"), *record_fields(record)])
    if full:
        print_record(record)


def _find(journal: Journal, prefix: str) -> str:
    """The one session whose id begins so; NotFound, Refused for several."""
    rows = journal.select(
        "SELECT session FROM sessions WHERE substr(session, 1, ?) = ? ORDER BY started LIMIT 2", (len(prefix), prefix)
    )
    if not rows or not prefix:
        raise NotFound(f"session {prefix}: not in the journal {journal.path}")
    if len(rows) > 1 and prefix not in {str(row[0]) for row in rows}:
        raise Refused(f"session {prefix}: several begin so: {', '.join(str(row[0]) for row in rows)}, …")
    return prefix if len(rows) > 1 else str(rows[0][0])


def _record(journal: Journal, session: str) -> tuple[RunRecord, bool]:
    ended, exit_code = journal.select("SELECT ended, exit_code FROM sessions WHERE session = ?", (session,))[0]
    if not isinstance(ended, int):
        return run_record(journal, session), False
    code = exit_code if isinstance(exit_code, int) else 0
    return run_record(journal, session, exit_code=code, ended_ns=journal.record(ended).time_ns), True
