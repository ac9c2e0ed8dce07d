"""How the records of the journal are shown: one line each, or JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from vfs.cli.commits import command_text
from vfs.cli.names import named, one_line
from vfs.cli.values import counted, utc_time
from vfs.journal.events import (
    AbsentSeen,
    Checkpoint,
    CodeSeen,
    CommitMade,
    Event,
    FirstSeen,
    Gap,
    ListedSeen,
    OutputsMade,
    OutsideSeen,
    ProcessesEnded,
    ProcessesLinked,
    ProcessSeen,
    ReadsSeen,
    SessionEnd,
    SessionStart,
    Watching,
    Wrote,
)
from vfs.model.ids import DIGEST_SIZE, short

# Characters of a summary; the JSON form has all.
SUMMARY = 100
# Fields that hold 32 bytes which name something, and no text.
_DIGESTS = frozenset({"commit", "record", "digest", "exe_digest", "archive", "previous", "hash"})


def summary(event: Event) -> str:
    """What an event says, in some words on one line."""
    text = one_line(_said(event))
    return text if len(text) <= SUMMARY else text[: SUMMARY - 1] + "…"


def _said(event: Event) -> str:
    match event:
        case SessionStart():
            return f"{event.kind} {command_text(event.command) or event.mountpoint.decode('utf-8', 'surrogateescape')}"
        case SessionEnd():
            return f"exit code {event.exit_code}"
        case Watching():
            return f"pid {event.pid}, level {event.level}"
        case ProcessSeen():
            return f"pid {event.process.pid}: {command_text(event.process.argv)}"
        case ReadsSeen():
            return f"{len(event.reads)} files first read"
        case ListedSeen():
            return f"{len(event.reads)} directories first listed"
        case AbsentSeen():
            return f"{len(event.reads)} names looked up in vain"
        case OutsideSeen():
            return f"{len(event.opens)} files first opened outside"
        case Wrote():
            return f"{len(event.writes)} files written"
        case ProcessesEnded():
            return f"{counted(len(event.ended), 'process')} ended"
        case ProcessesLinked():
            return f"{len(event.links)} links between processes"
        case CodeSeen():
            scripts = sum(code.role == "script" for code in event.code)
            return f"code of {counted(scripts, 'script')}" + (f", image {event.image}" if event.image else "")
        case OutputsMade():
            return f"{len(event.outputs)} paths made or changed"
        case CommitMade():
            return f"{event.repo}@{event.branch} is {short(event.commit)}"
        case Checkpoint():
            return f"{counted(sum(cut.last - cut.first + 1 for cut in event.cuts), 'older record')} taken out"
        case Gap():
            processes = f"{counted(event.processes, 'process')} {event.reason}"
            return processes if event.processes else f"{event.count} lost: {event.reason}"


def event_json(event: Event) -> dict[str, Any]:
    """An event with all it says."""
    if isinstance(event, FirstSeen):
        return _reads_json(event)
    if isinstance(event, OutsideSeen):
        opens = [{"process": process, **named("path", path)} for process, path in event.opens]
        return {"session": event.session, "opens": opens}
    return _struct_json(event)


def _reads_json(event: FirstSeen) -> dict[str, Any]:
    return {
        "session": event.session,
        "sources": [{"repo": repo, "commit": commit.hex()} for repo, commit in event.sources],
        "reads": [
            {"process": process, "source": source, **named("path", path), "digest": digest.hex() or None, "at": at}
            for (process, source, path, digest), at in zip(event.reads, event.numbers(), strict=True)
        ],
    }


def _struct_json(value: msgspec.Struct) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, held in msgspec.structs.asdict(value).items():
        if isinstance(held, bytes):
            found.update({name: held.hex() or None} if _is_digest(name, held) else named(name, held))
        elif name == "environment":
            found[name] = dict(held)
        elif name.endswith("_ns"):
            found[name.removesuffix("_ns")] = utc_time(held) if held else None
        else:
            found[name] = _plain(held)
    return found


def _is_digest(name: str, held: bytes) -> bool:
    return name in _DIGESTS and len(held) in (0, DIGEST_SIZE)


def _plain(held: object) -> object:
    if isinstance(held, msgspec.Struct):
        return _struct_json(held)
    if isinstance(held, bytes):
        return held.decode("utf-8", "replace")
    return [_plain(item) for item in held] if isinstance(held, (tuple, list)) else held
