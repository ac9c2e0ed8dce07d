"""`vfs journal`: the record of sessions, processes and reads on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from vfs.cli import events, options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.values import counted, local_time, utc_time
from vfs.errors import Corrupt
from vfs.journal.chain import Record
from vfs.journal.events import KINDS, Event, decode_event
from vfs.journal.log import Journal
from vfs.journal.verify import Problem, verify


@click.group("journal")
def journal_command() -> None:
    """Verify, list and rebuild the record of runs and reads."""


@journal_command.command("verify")
@options.as_json
@pass_call
def verify_journal(call: Call, as_json: bool) -> None:
    """Check every record against the hash chain.

    Altered, missing and reordered records are named, and the exit code is then 5.

    \b
    Example:
      vfs journal verify
    """
    with Journal.open(call.settings().state_dir) as journal:
        verdict = verify(journal)
        path = journal.path
    if as_json:
        problems = list(map(_problem_json, verdict.problems))
        output.document({"records": verdict.records, "head": verdict.head.hash.hex(), "problems": problems})
    else:
        output.line(f"{counted(verdict.records, 'record')}, " + ("all in order" if verdict.sound else "damaged"))
    if not verdict.sound:
        for problem in verdict.problems:
            output.complain(f"journal {path}: {problem}")
        raise Corrupt(f"journal {path}: {counted(len(verdict.problems), 'problem')}")


@journal_command.command("show")
@click.option("-n", "--last", type=click.IntRange(min=1), metavar="N", help="Only the last N records.")
@click.option("--session", metavar="ID", help="Only the records of one session.")
@click.option("--kind", type=click.Choice(tuple(KINDS)), help="Only records of one kind.")
@options.as_json
@pass_call
def show(call: Call, last: int | None, session: str | None, kind: str | None, as_json: bool) -> None:
    """List the records, oldest first.

    \b
    Examples:
      vfs journal show -n 20
      vfs journal show --kind commit --json
    """
    with Journal.open(call.settings().state_dir) as journal:
        after = max(0, journal.tail().seq - last) if last is not None else 0
        found = (
            (record, event)
            for record, event in _events(journal, after)
            if kind in (None, record.kind) and session in (None, event.session)
        )
        if as_json:
            output.array(_record_json(record, event) for record, event in found)
            return
        for record, event in found:
            when = local_time(record.time_ns)
            output.line(f"{record.seq:>6}  {when}  {event.session}  {record.kind:<13}  {events.summary(event)}")


@journal_command.command("rebuild")
@pass_call
def rebuild(call: Call) -> None:
    """Make the query tables anew from the records.

    \b
    Example:
      vfs journal rebuild
    """
    with Journal.open(call.settings().state_dir) as journal:
        output.line(f"tables rebuilt from {counted(journal.rebuild(), 'record')}")


def _events(journal: Journal, after: int) -> Iterator[tuple[Record, Event]]:
    for record in journal.records(after=after):
        yield record, decode_event(record.kind, record.body, f"journal {journal.path}: record {record.seq}")


def _record_json(record: Record, event: Event) -> dict[str, Any]:
    return {
        "seq": record.seq,
        "time": utc_time(record.time_ns),
        "kind": record.kind,
        "event": events.event_json(event),
        "hash": record.hash.hex(),
    }


def _problem_json(problem: Problem) -> dict[str, Any]:
    return {"first": problem.first, "last": problem.last, "what": problem.what}
