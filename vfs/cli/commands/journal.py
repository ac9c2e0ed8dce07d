"""`vfs journal`: the record of sessions, processes and reads on this machine; upkeep is in `vfs.cli.journal_upkeep`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import click

from vfs.cli import events, options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.commands.runs import session_command
from vfs.cli.journal_upkeep import compact_command, export_command, import_command, list_command
from vfs.cli.names import one_line
from vfs.cli.parameters import LOCAL_PATH
from vfs.cli.values import counted, local_time, utc_time
from vfs.errors import Corrupt
from vfs.journal.carry import against_journal, imported
from vfs.journal.chain import Record
from vfs.journal.events import KINDS, Event, decode_event
from vfs.journal.log import Journal
from vfs.journal.segment_check import Segment, check_segment, segment_events, sound_segment
from vfs.journal.verify import Problem, verify


@click.group("journal")
def journal_command() -> None:
    """Verify, list and keep up the record of runs and reads."""


for _command in (list_command, session_command, compact_command, export_command, import_command):
    journal_command.add_command(_command)


@journal_command.command("verify")
@click.option("--file", metavar="FILE", type=LOCAL_PATH, help="Check an exported file by itself instead.")
@click.option("--archive", metavar="FILE", type=LOCAL_PATH, help="Check FILE as what compact took out of this journal.")
@options.as_json
@pass_call
def verify_journal(call: Call, file: str | None, archive: str | None, as_json: bool) -> None:
    """Check every record against the hash chain.

    Altered, missing and reordered records are named, and the exit code is then 5. Imported records are checked too.

    \b
    Examples:
      vfs journal verify
      vfs journal verify --archive journal-2025.segment
    """
    state_dir = call.settings().state_dir
    if file is not None:
        _conclude([_of_segment(check_segment(file))], as_json)
        return
    with Journal.open(state_dir) as journal:
        if archive is not None:
            segment = check_segment(archive)
            _conclude([_of_segment(segment, against_journal(journal, segment))], as_json)
            return
        verdict = verify(journal)
        path = journal.path
    told = [f"journal {path}: {problem}" for problem in verdict.problems]
    own = _Checked(path, verdict.records, verdict.cut, verdict.head.hash, tuple(verdict.problems), tuple(told))
    _conclude([own, *(_of_segment(check_segment(found)) for found in imported(state_dir))], as_json)


class _Checked(NamedTuple):
    """One chain: its file, records, records taken out, last hash, problems, and these in words."""

    path: str
    records: int
    cut: int
    head: bytes
    problems: tuple[Problem, ...]
    told: tuple[str, ...]


def _of_segment(found: Segment, more: Iterable[str] = ()) -> _Checked:
    told = [f"{found.path}: {problem}" for problem in found.problems]
    # A file that is damaged itself says nothing about the journal.
    told += [f"{found.path}: {text}" for text in more] if not told else []
    return _Checked(found.path, found.records, 0, found.hash, found.problems, tuple(told))


def _conclude(checked: list[_Checked], as_json: bool) -> None:
    if as_json:
        output.document({**_checked_json(checked[0]), "imported": list(map(_checked_json, checked[1:]))})
    else:
        for place, one in enumerate(checked):
            where = f"{one.path}: " if place else ""
            gone = f", {one.cut} older ones taken out" if one.cut else ""
            verdict = "damaged" if one.told else "all in order"
            output.line(f"{where}{counted(one.records, 'record')}{gone}, {verdict}")
    for text in (text for one in checked for text in one.told):
        output.complain(text)
    damaged = [one for one in checked if one.told]
    if damaged:
        raise Corrupt(f"journal {damaged[0].path}: {counted(sum(len(one.told) for one in damaged), 'problem')}")


def _checked_json(one: _Checked) -> dict[str, Any]:
    return {
        "file": one.path,
        "records": one.records,
        "taken_out": one.cut,
        "head": one.head.hex(),
        "problems": list(map(_problem_json, one.problems)),
        "told": list(one.told),
    }


@journal_command.command("show")
@click.option("-n", "--last", type=click.IntRange(min=1), metavar="N", help="Only the last N records.")
@click.option("--session", metavar="ID", help="Only the records of one session.")
@click.option("--kind", type=click.Choice(tuple(KINDS)), metavar="KIND", help="Only records of one kind.")
@click.option("--file", metavar="FILE", type=LOCAL_PATH, help="Those of an exported file.")
@options.as_json
@pass_call
def show(call: Call, last: int | None, session: str | None, kind: str | None, file: str | None, as_json: bool) -> None:
    """List the records, oldest first.

    \b
    Examples:
      vfs journal show -n 20
      vfs journal show --kind commit --json
    """
    with Journal.open(call.settings().state_dir) as journal:
        events_of = _of_file(file, last) if file is not None else _latest(journal, last)
        found = (
            (record, event)
            for record, event in events_of
            if kind in (None, record.kind) and session in (None, event.session)
        )
        if as_json:
            output.array(_record_json(record, event) for record, event in found)
            return
        for record, event in found:
            when = local_time(record.time_ns)
            session_id = one_line(event.session)
            output.line(f"{record.seq:>6}  {when}  {session_id}  {record.kind:<13}  {events.summary(event)}")


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


def _latest(journal: Journal, last: int | None) -> Iterator[tuple[Record, Event]]:
    return _events(journal, max(0, journal.tail().seq - last) if last is not None else 0)


def _of_file(file: str, last: int | None) -> Iterator[tuple[Record, Event]]:
    end = sound_segment(file).last
    return ((record, event) for record, event in segment_events(file) if last is None or record.seq > end - last)


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
