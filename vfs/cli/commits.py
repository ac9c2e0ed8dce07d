"""How commits and their run records are shown to people, and records as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

from vfs.cli import output
from vfs.cli.names import first_line, named, safe
from vfs.cli.values import counted, input_json, local_time, utc_time
from vfs.config.sizes import format_size
from vfs.model.commit import Commit, InputCommit, StoredCommit
from vfs.model.ids import short
from vfs.model.record import Process, RunRecord


def print_commit(stored: StoredCommit, more: Iterable[tuple[str, str]] = ()) -> None:
    """A commit as some lines: its id, who, when, from what, how, `more` fields, and the message indented."""
    commit = stored.commit
    output.line(f"commit {stored.id.hex()}")
    output.fields(
        [
            ("author", commit.author),
            ("time", local_time(commit.time_ns)),
            ("parents", " ".join(short(parent) for parent in commit.parents)),
            ("holds", holds(commit)),
            *(("input", input_text(given)) for given in commit.inputs),
            ("command", command_text(commit.command)),
            *more,
        ]
    )
    if commit.message:
        output.line()
        for text in commit.message.rstrip("\n").split("\n"):
            output.line(f"    {safe(text)}".rstrip())


def oneline(stored: StoredCommit) -> str:
    """A commit as one line: short id, time, message or else command."""
    commit = stored.commit
    what = first_line(commit.message) or first_line(command_text(commit.command))
    return f"{short(stored.id)}  {local_time(commit.time_ns)}  {what}".rstrip()


def created(stored: StoredCommit, branch: str) -> str:
    """What a command says after it made a commit."""
    commit = stored.commit
    return f"{commit.repo}@{branch} is now {short(stored.id)}: {holds(commit)}"


def holds(commit: Commit) -> str:
    """How much is in the tree of a commit."""
    return f"{counted(commit.entries, 'entry')}, {format_size(commit.size)}"


def input_text(given: InputCommit) -> str:
    """One input as `name = repo@commit`, or without the name when it is the repo's."""
    revision = f"{given.repo}@{short(given.commit)}"
    return revision if given.name in (given.repo, "") else f"{given.name} = {revision}"


def command_text(command: Iterable[bytes]) -> str:
    """A command as one would type it."""
    return shlex.join(word.decode("utf-8", "surrogateescape") for word in command)


def record_fields(record: RunRecord) -> list[tuple[str, str]]:
    """The run record for people, without its lists."""
    lost = f", {record.gaps} lost" if record.gaps else ""
    return [
        ("made by", record.kind),
        ("command", command_text(record.command)),
        ("in", record.cwd.decode("utf-8", "surrogateescape")),
        ("exit code", str(record.exit_code) if record.kind == "run" else ""),
        ("started", local_time(record.started_ns)),
        ("took", f"{(record.ended_ns - record.started_ns) / 1e9:.1f} s"),
        ("by", f"{record.user} on {record.host}, vfs {record.version}"),
        ("observed", f"level {record.level}{lost}"),
        ("processes", str(len(record.processes) or "")),
        ("files read", str(len(record.reads) or "")),
        ("outputs", str(len(record.outputs) or "")),
    ]


def record_json(record: RunRecord) -> dict[str, Any]:
    """The run record with all its lists."""
    return {
        "kind": record.kind,
        "command": [_word(word) for word in record.command],
        **named("cwd", record.cwd),
        "exit_code": record.exit_code,
        "started": utc_time(record.started_ns),
        "ended": utc_time(record.ended_ns),
        "user": record.user,
        "host": record.host,
        "version": record.version,
        "level": record.level,
        "gaps": record.gaps,
        "environment": dict(record.environment),
        "inputs": [input_json(given) for given in record.inputs],
        "processes": [_process_json(process) for process in record.processes],
        "reads": [
            {"process": read.process, "input": read.input, **named("path", read.path), "digest": read.digest.hex()}
            for read in record.reads
        ],
        "outputs": [{**named("path", out.path), "digest": out.digest.hex() or None} for out in record.outputs],
    }


def _process_json(process: Process) -> dict[str, Any]:
    return {
        "key": process.key,
        "parent": process.parent,
        "pid": process.pid,
        "started": utc_time(process.started_ns),
        "ended": utc_time(process.ended_ns) if process.ended_ns else None,
        **named("exe", process.exe),
        "exe_digest": process.exe_digest.hex() or None,
        "argv": [_word(word) for word in process.argv],
        **named("cwd", process.cwd),
        "uid": process.uid,
        "user": process.user,
        "container": process.container,
    }


def _word(word: bytes) -> str:
    return word.decode("utf-8", "replace")
