"""How run records are shown: in short, in full, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vfs.cli import output
from vfs.cli.commits import command_text
from vfs.cli.names import named, shown
from vfs.cli.values import counted, input_json, local_time, utc_time
from vfs.model.ids import short
from vfs.model.record import Code, Output, Process, Read, RunRecord
from vfs.run.declared import declared_of

_NAMED = 3


def record_fields(record: RunRecord) -> list[tuple[str, str]]:
    """The run record for people, without its lists."""
    return [
        ("made by", record.kind),
        ("command", command_text(record.command)),
        ("in", record.cwd.decode("utf-8", "surrogateescape")),
        *((code.role if code.role == "script" else "code", _code_text(code)) for code in record.code),
        ("image", record.image),
        ("exit code", str(record.exit_code) if record.kind == "run" else ""),
        ("started", local_time(record.started_ns)),
        ("took", f"{(record.ended_ns - record.started_ns) / 1e9:.1f} s"),
        ("by", f"{record.user} on {record.host}, vfs {record.version}"),
        ("observed", _observed(record)),
        ("processes", str(len(record.processes) or "")),
        ("files read", str(len(record.reads) or "")),
        ("listed", counted(len(record.listed), "directory") if record.listed else ""),
        *_declared(record),
        ("outputs", str(len(record.outputs) or "")),
    ]


def print_record(record: RunRecord) -> None:
    """The lists of a record: processes, what they read, listed, looked up in vain and opened outside, outputs."""
    by_key = {process.key: process for process in record.processes}
    _section("environment", ("name", "value"), record.environment)
    _section("processes", ("process", "parent", "pid", "took", "command"), map(_process_row, record.processes))
    for title, reads in (("read", record.reads), ("listed", record.listed), ("missing", record.absent)):
        _section(title, ("process", "input", "path"), (_read_row(record, read) for read in reads))
    outside = ((str(item.process), shown(item.path)) for item in record.outside)
    _section("opened outside of the inputs", ("process", "path"), outside)
    _section("outputs", ("path", "digest", "writer", "command"), (_output_row(one, by_key) for one in record.outputs))


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
        "reasons": [{"reason": reason, "count": count} for reason, count in record.reasons],
        "environment": dict(record.environment),
        "image": record.image or None,
        "code": [_code_json(code) for code in record.code],
        "inputs": [
            {**input_json(given), **(named("shown", record.shown[place]) if place < len(record.shown) else {})}
            for place, given in enumerate(record.inputs)
        ],
        "processes": [_process_json(process) for process in record.processes],
        "reads": [{**_read_json(read), "digest": read.digest.hex()} for read in record.reads],
        "listed": [_read_json(read) for read in record.listed],
        "absent": [_read_json(read) for read in record.absent],
        "outside": [{"process": item.process, **named("path", item.path)} for item in record.outside],
        "outputs": [
            {**named("path", out.path), "digest": out.digest.hex() or None, "writer": out.writer or None, "at": out.at}
            for out in record.outputs
        ],
    }


def _observed(record: RunRecord) -> str:
    lost = f", {record.gaps} lost" if record.gaps else ""
    why = "; ".join(f"{count} {reason}" for reason, count in record.reasons)
    return f"level {record.level}{lost}" + (f" ({why})" if why else "")


def _declared(record: RunRecord) -> list[tuple[str, str]]:
    """Unused and missing inputs, and files opened outside, in some words."""
    # What of these was undeclared only the machine of the run could tell, just after it.
    declared = declared_of(record, traced=False)
    unused = declared.unused if record.kind == "run" else ()
    more = len(unused) - _NAMED
    return [
        ("unused", ", ".join(unused[:_NAMED]) + (f" and {more} more" if more > 0 else "")),
        ("missing", counted(len(declared.missing), "name") if declared.missing else ""),
        ("outside", counted(len({item.path for item in record.outside}), "file") if record.outside else ""),
    ]


def _code_text(code: Code) -> str:
    path = code.path.decode("utf-8", "surrogateescape")
    digest = f", digest {short(code.digest)}" if code.digest else ""
    if not code.root:
        return f"{path}{digest}"
    version = f"commit {code.commit[:12]}" if code.commit else "no commit known"
    branch = f" of {code.branch}" if code.branch else ""
    return f"{path}{digest}, {version}{branch}{', changed' if code.dirty else ''}"


def _section(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    held = list(rows)
    if held:
        output.line()
        output.line(f"{title}:")
        output.table(columns, held)


def _process_row(process: Process) -> tuple[str, ...]:
    took = f"{(process.ended_ns - process.started_ns) / 1e9:.1f} s" if process.ended_ns else ""
    parent = str(process.parent or "")
    return str(process.key), parent, str(process.pid), took, command_text(process.argv) or shown(process.exe)


def _read_row(record: RunRecord, read: Read) -> tuple[str, ...]:
    name = record.inputs[read.input].name if 0 <= read.input < len(record.inputs) else str(read.input)
    return str(read.process or ""), name, shown(read.path) or "/"


def _output_row(out: Output, by_key: dict[int, Process]) -> tuple[str, ...]:
    writer = by_key.get(out.writer)
    command = command_text(writer.argv) if writer is not None else ""
    return shown(out.path), short(out.digest) if out.digest else "", str(out.writer or ""), command


def _code_json(code: Code) -> dict[str, Any]:
    return {
        "role": code.role,
        **named("path", code.path),
        "digest": code.digest.hex() or None,
        **named("root", code.root),
        "commit": code.commit or None,
        "branch": code.branch or None,
        "dirty": code.dirty,
    }


def _read_json(read: Read) -> dict[str, Any]:
    return {"process": read.process, "input": read.input, **named("path", read.path), "at": read.at}


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
        "linked": list(process.linked),
    }


def _word(word: bytes) -> str:
    return word.decode("utf-8", "replace")
