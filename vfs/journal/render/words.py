"""How the things of a graph are put in words: one line each, safe to print, the same in every picture."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence

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


def minute(time_ns: int) -> str:
    """A local time, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(time_ns // _SECOND))


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


def counted(number: int, word: str) -> str:
    """`3 files`, `1 file`, `10,000 files`."""
    plural = word + ("es" if word.endswith("s") else "s")
    return f"{number:,} {word if number == 1 else plural}"


def files_title(node: FilesNode) -> str:
    """How many files were read."""
    return f"{counted(len(node.files), 'file')} read"


def paths(node: FilesNode, limit: int | None) -> list[str]:
    """The first `limit` paths (None: all), and how many more there are."""
    shown = [printable(path) for path, _ in node.files[:limit]]
    more = len(node.files) - len(shown)
    # One file more takes no more room than the line that says so.
    if more == 1:
        return [*shown, printable(node.files[-1][0])]
    return [*shown, f"… and {more:,} more"] if more else shown


def commit_facts(node: CommitNode) -> list[str]:
    """When and why a commit was made, or what is wrong with it."""
    if not node.time_ns and node.problem:
        return []
    return [fact for fact in (minute(node.time_ns), first_line(node.message)) if fact]
