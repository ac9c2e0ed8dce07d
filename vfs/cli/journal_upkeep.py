"""`vfs journal compact`, `export`, `import`, `list`: the journal kept small, carried between hosts, looked over."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.commits import command_text
from vfs.cli.names import one_line
from vfs.cli.parameters import LOCAL_PATH
from vfs.cli.values import counted, local_time, utc_time
from vfs.cli.when import WHEN
from vfs.config.sizes import format_size
from vfs.control.registry import Registry
from vfs.errors import UsageError
from vfs.journal.carry import export_segment, import_segment, imported
from vfs.journal.chain import Record
from vfs.journal.events import session_of
from vfs.journal.log import Journal
from vfs.journal.segment_check import Segment
from vfs.journal.sessions import SessionLine, local_sessions, segment_sessions
from vfs.journal.upkeep import Plan, compact, plan
from vfs.model.ids import short
from vfs.workspace.layers import layers

_DAY_NS = 86_400_000_000_000


@click.command("compact")
@click.option("--before", type=WHEN, metavar="WHEN", help="Take out sessions that ended before.")
@click.option("--keep-days", type=click.IntRange(min=0), metavar="N", help="Keep what is younger than N days.")
@click.option("--archive", metavar="FILE", type=LOCAL_PATH, help="Write the records to FILE first.")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would go.")
@options.as_json
@pass_call
def compact_command(
    call: Call, before: int | None, keep_days: int | None, archive: str | None, dry_run: bool, as_json: bool
) -> None:
    """Take the records of old sessions out of the journal.

    A session goes as a whole; one that may be running stays, and one that a writable layer needs for its commit.
    A checkpoint takes their place, so that verify goes on over them. WHEN is 2026-01-31, 2026-01-31T12:00, or 90d.

    \b
    Examples:
      vfs journal compact --keep-days 365
      vfs journal compact --before 2026-01-01 --archive journal-2025.segment
    """
    if (before is None) == (keep_days is None):
        raise UsageError("journal compact: give --before or --keep-days")
    limit = before if before is not None else time.time_ns() - (keep_days or 0) * _DAY_NS
    state_dir = call.settings().state_dir
    call.kept = "what was taken out is out, the rest stays; the journal is whole"
    with Journal.open(state_dir) as journal:
        found = plan(journal, before_ns=limit, needed=_needed(state_dir))
        digest = b""
        if archive is not None and found.seqs and not dry_run:
            gone = set(found.seqs)
            digest = export_segment(journal, archive, selection="archive", wanted=lambda one: one.seq in gone).digest
        done = 0 if dry_run else compact(journal, found, archive=digest)
    call.kept = ""
    _say(found, done, archive if digest else None, dry_run, as_json)


def _needed(state_dir: str) -> set[str]:
    """Sessions that a layer's commit is to name, and those of mounts that answer, wherever their daemon runs."""
    of_layers = {session for layer in layers(state_dir) for session in layer.sessions()}
    return of_layers | {mount.session for mount in Registry(state_dir).mounts() if mount.alive}


def _say(found: Plan, done: int, archive: str | None, dry_run: bool, as_json: bool) -> None:
    if as_json:
        output.document(
            {
                "before": utc_time(found.before_ns),
                "records": len(found.seqs),
                "sessions": found.sessions,
                "size": found.size,
                "running": found.running,
                "needed": found.needed,
                "dry_run": dry_run,
                "archive": archive,
            }
        )
        return
    verb = "would be taken out" if dry_run else "taken out"
    number = len(found.seqs) if dry_run else done
    text = f"{counted(number, 'record')} of {counted(found.sessions, 'session')} {verb}, {format_size(found.size)}"
    kept = [(found.running, "still running"), (found.needed, "needed by layers and mounts")]
    reasons = [f"{count} {reason}" for count, reason in kept if count]
    output.line(f"{text}{'; kept: ' + ', '.join(reasons) if reasons else ''}")


@click.command("export")
@click.option("-o", "--output", "file", metavar="FILE", type=LOCAL_PATH, required=True, help="Write to FILE.")
@click.option("--session", metavar="ID", help="Only the records of one session.")
@click.option("--since", type=WHEN, metavar="WHEN", help="Only records written since.")
@options.as_json
@pass_call
def export_command(call: Call, file: str, session: str | None, since: int | None, as_json: bool) -> None:
    """Write records to a file that can be verified by itself.

    It holds the hash chain from the first record to the last of the journal, also over those that were left out.
    WHEN is 2026-01-31, 2026-01-31T12:00, or 90d.

    \b
    Examples:
      vfs journal export -o host1.segment
      vfs journal export --since 30d -o month.segment
    """
    wanted, selection = _selection(session, since)
    with Journal.open(call.settings().state_dir) as journal:
        found = export_segment(journal, file, selection=selection, wanted=wanted)
    _say_segment(found, "exported", as_json)


def _selection(session: str | None, since: int | None) -> tuple[Callable[[Record], bool], str]:
    words = [f"session {session}"] * (session is not None) + [f"since {utc_time(since or 0)}"] * (since is not None)

    def wanted(record: Record) -> bool:
        if since is not None and record.time_ns < since:
            return False
        return session is None or session_of(record.body) == session

    return wanted, ", ".join(words) or "all"


@click.command("import")
@click.argument("file", metavar="FILE", type=LOCAL_PATH)
@options.as_json
@pass_call
def import_command(call: Call, file: str, as_json: bool) -> None:
    """Keep records that another host exported.

    The file is verified, and kept beside the journal of this host; one that was altered is refused.

    \b
    Example:
      vfs journal import host1.segment
    """
    found, new = import_segment(call.settings().state_dir, file)
    _say_segment(found, "imported" if new else "was imported already", as_json)


def _say_segment(found: Segment, done: str, as_json: bool) -> None:
    opening = found.opening
    if as_json:
        output.document(
            {
                "file": found.path,
                "host": opening.host,
                "exported": utc_time(opening.exported_ns),
                "selection": opening.selection,
                "records": found.records,
                "first": opening.first,
                "last": found.last,
                "hash": found.hash.hex(),
                "digest": found.digest.hex(),
            }
        )
        return
    text = one_line(f"{counted(found.records, 'record')} of {opening.host} ({opening.selection})")
    output.line(f"{text} {done}; digest {found.digest.hex()}")


@click.command("list")
@click.option("-n", "--last", type=click.IntRange(min=1), metavar="N", help="Only the last N sessions.")
@click.option("--imported", "foreign", is_flag=True, help="Those of imported records as well.")
@options.as_json
@pass_call
def list_command(call: Call, last: int | None, foreign: bool, as_json: bool) -> None:
    """List the sessions: runs and mounts, oldest first.

    \b
    Examples:
      vfs journal list -n 20
      vfs journal list --imported --json
    """
    state_dir = call.settings().state_dir
    with Journal.open(state_dir) as journal:
        lines = local_sessions(journal)
    if foreign:
        lines += [line for path in imported(state_dir) for line in segment_sessions(path, os.path.basename(path))]
        lines.sort(key=lambda line: line.began_ns)
    lines = lines[-last:] if last else lines
    if as_json:
        output.array(map(_line_json, lines))
    else:
        output.table(("session", "host", "kind", "began", "status", "command"), map(_row, lines))


def _row(line: SessionLine) -> tuple[str, ...]:
    start = line.start
    status = "no end" if line.exit_code is None else str(line.exit_code)
    made = ", ".join(f"{one.repo}@{short(one.commit)}" for one in line.commits)
    command = command_text(start.command)[:100]
    shown = f"{command} → {made}" if made else command
    return start.session, start.host, start.kind, local_time(line.began_ns), status, shown


def _line_json(line: SessionLine) -> dict[str, Any]:
    start = line.start
    commits = [{"repo": one.repo, "branch": one.branch, "commit": one.commit.hex()} for one in line.commits]
    return {
        "session": start.session,
        "host": start.host,
        "user": start.user,
        "kind": start.kind,
        "command": [word.decode("utf-8", "replace") for word in start.command],
        "began": utc_time(line.began_ns),
        "ended": utc_time(line.ended_ns) if line.ended_ns else None,
        "exit_code": line.exit_code,
        "commits": commits,
        "imported": line.source or None,
    }
