"""How the things of a graph are put in words: one line each, safe to print, the same in every picture."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from vfs.journal.graph import CommitNode, FilesNode, RunNode
from vfs.model.ids import Digest, short
from vfs.model.names import printable

_MESSAGE = 60
_SECOND = 1_000_000_000


def plain(text: str) -> str:
    """`text` without control characters."""
    return printable(text.encode("utf-8", "surrogateescape"))


def cut(text: str, width: int) -> str:
    """`text` in at most `width` characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def commit_title(repo: str, commit: Digest) -> str:
    """How a user would name the commit."""
    return f"{plain(repo)}@{short(commit)}"


def first_line(message: str) -> str:
    """The first line of a commit message, cut."""
    return cut(plain(message.strip().partition("\n")[0]), _MESSAGE)


_zone: ContextVar[Callable[[float], time.struct_time]] = ContextVar("zone", default=time.localtime)


@contextmanager
def in_utc() -> Iterator[None]:
    """Times are in UTC meanwhile: for what is kept, and read elsewhere."""
    token = _zone.set(time.gmtime)
    try:
        yield
    finally:
        _zone.reset(token)


def minute(time_ns: int) -> str:
    """A local time, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", _zone.get()(time_ns // _SECOND))


def rfc3339(time_ns: int) -> str:
    """A time for programs: RFC 3339, UTC, nanoseconds."""
    seconds, rest = divmod(time_ns, _SECOND)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


def lasted(run: RunNode) -> str:
    """How long a run took, "" when that is not known (or the clock was set back meanwhile)."""
    seconds = (run.ended_ns - run.started_ns) / _SECOND
    if seconds < 0 or not run.ended_ns:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def command_line(command: Sequence[bytes]) -> str:
    """A command as one could type it."""
    return " ".join(_word(word) for word in command)


def _word(word: bytes) -> str:
    shown = printable(word)
    return shlex.quote(shown) if shown.encode() == word else f"'{shown}'"


def run_facts(run: RunNode) -> list[str]:
    """Who, where, when, how long, with which result."""
    who = f"{plain(run.user)}@{plain(run.host)}"
    return [fact for fact in (who, minute(run.started_ns), lasted(run), f"exit {run.exit_code}") if fact]


def run_watch(run: RunNode) -> str:
    """What is known of its reads, "" where nothing is to be said."""
    if run.gaps:
        return f"{counted(run.gaps, 'read')} lost: the list of files is not complete"
    if run.level == "none":
        return "reads not observed" if run.kind in ("run", "mount") else ""
    return f"{counted(run.processes, 'process')}, {counted(run.reads, 'file')} read"


def run_names(run: RunNode) -> list[str]:
    """How many directories it listed, and how many names it looked for in vain, where it did."""
    listed = [f"{counted(run.listed, 'directory')} listed"] if run.listed else []
    return [*listed, *([f"{counted(run.absent, 'name')} looked for in vain"] if run.absent else [])]


def run_scope(run: RunNode, shown: int) -> str:
    """Which of the inputs of a run are shown, `shown` of its files; "" where nothing is to be said."""
    if run.scope == "own":
        rule = "what its writer, and those that fed it, had read by then"
        return f"narrowed to {shown:,} of {counted(run.reads, 'file')}: {rule}" if shown < run.reads else ""
    return f"all inputs of the run: {plain(run.reason)}" if run.reason and run.reads else ""


def counted(number: int, word: str) -> str:
    """`3 files`, `1 file`, `10,000 files`."""
    plural = word[:-1] + "ies" if word.endswith("y") else word + ("es" if word.endswith("s") else "s")
    return f"{number:,} {word if number == 1 else plural}"


def files_title(node: FilesNode) -> str:
    """How many files were read, or what else was had."""
    if node.files:
        return f"{counted(len(node.files), 'file')} read"
    return "names alone" if node.listed or node.absent else "0 files read"


def paths(node: FilesNode, limit: int | None) -> list[str]:
    """The first `limit` files (None: all), and how many more there are; the other inputs counted, or all by name."""
    lines = some([path for path, _ in node.files], limit)
    if limit is None:
        lines.extend(f"listed {printable(path) or '/'}" for path in node.listed)
        lines.extend(f"looked for {printable(path)} in vain" for path in node.absent)
        return lines
    if node.listed:
        lines.append(f"listed {counted(len(node.listed), 'directory')}")
    if node.absent:
        lines.append(f"looked for {counted(len(node.absent), 'name')} in vain")
    return lines


def some(names: Sequence[bytes], limit: int | None) -> list[str]:
    """The first `limit` names (None: all), and how many more there are."""
    shown = [printable(name) for name in names[:limit]]
    more = len(names) - len(shown)
    # One file more takes no more room than the line that says so.
    if more == 1:
        return [*shown, printable(names[-1])]
    return [*shown, f"… and {more:,} more"] if more else shown


def outcome(node: CommitNode, limit: int | None) -> list[str]:
    """Downwards: which paths of a commit were made from what was asked about, the certain ones first."""
    lines = []
    for head, found in (("made from it", node.direct), ("possibly made from it", node.possible)):
        if found:
            lines.append(f"{head}: {counted(len(found), 'path')}")
            lines.extend(f"  {name}" for name in some(found, limit))
    return lines


def commit_facts(node: CommitNode) -> list[str]:
    """When and why a commit was made, or what is wrong with it."""
    if not node.time_ns and node.problem:
        return []
    return [fact for fact in (minute(node.time_ns), first_line(node.message)) if fact]
