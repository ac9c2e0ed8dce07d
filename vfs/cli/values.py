"""How values look: times, modes, sizes, commits and entries, for people and as JSON.

In JSON a digest is 64 hex digits, a time is RFC 3339 in UTC with nanoseconds, a mode is four octal digits.
"""

from __future__ import annotations

import stat
import time
from typing import TYPE_CHECKING, Any

from vfs.cli.names import named

if TYPE_CHECKING:
    from vfs.model.commit import Commit, InputCommit, StoredCommit
    from vfs.model.entry import Entry

_UNITS = "KMGTPE"
_KIND_WORDS = {1: "file", 2: "directory", 3: "symlink"}
_KIND_BITS = {1: stat.S_IFREG, 2: stat.S_IFDIR, 3: stat.S_IFLNK}


def human_size(count: int) -> str:
    """Bytes for a column, as `du -h` shows them: at most three digits and a binary unit."""
    size, unit = float(count), ""
    for following in _UNITS:
        if size < 999.5:
            break
        size, unit = size / 1024, following
    return f"{size:.1f}{unit}" if unit and size < 9.95 else f"{size:.0f}{unit}"


def counted(count: int, thing: str) -> str:
    """`1 file`, `2 files`, `3 entries`, `4 processes`."""
    if count == 1:
        return f"1 {thing}"
    if thing.endswith("y"):
        return f"{count} {thing[:-1]}ies"
    return f"{count} {thing}es" if thing.endswith("s") else f"{count} {thing}s"


def local_time(time_ns: int) -> str:
    """A time for people: local, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(time_ns // 1_000_000_000))


def utc_time(time_ns: int) -> str:
    """A time for programs: RFC 3339, UTC, nanoseconds."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


def kind_word(entry: Entry) -> str:
    """`file`, `directory` or `symlink`."""
    return _KIND_WORDS[entry.kind]


def mode_text(entry: Entry) -> str:
    """Kind and permissions as `ls -l` shows them."""
    return stat.filemode(_KIND_BITS[entry.kind] | entry.mode)


def entry_json(entry: Entry) -> dict[str, Any]:
    """One entry of a tree."""
    found: dict[str, Any] = {
        **named("path", entry.path),
        "kind": kind_word(entry),
        "mode": f"{entry.mode:04o}",
        "size": entry.size,
        "mtime": utc_time(entry.mtime_ns),
    }
    if entry.digest:
        found["digest"] = entry.digest.hex()
    if entry.target:
        found.update(named("target", entry.target))
    if entry.xattrs:
        found["xattrs"] = [{**named("name", name), **named("value", value)} for name, value in entry.xattrs]
    return found


def input_json(given: InputCommit) -> dict[str, Any]:
    """One input commit."""
    return {"name": given.name, "repo": given.repo, "commit": given.commit.hex()}


def commit_json(stored: StoredCommit) -> dict[str, Any]:
    """One commit with all it says of itself."""
    commit = stored.commit
    return {
        "commit": stored.id.hex(),
        "repo": commit.repo,
        "parents": [parent.hex() for parent in commit.parents],
        "root": commit.root.hex(),
        "entries": commit.entries,
        "size": commit.size,
        "author": commit.author,
        "time": utc_time(commit.time_ns),
        "message": commit.message,
        "inputs": [input_json(given) for given in commit.inputs],
        **_command_json(commit),
        "record": commit.record.hex() or None,
    }


def _command_json(commit: Commit) -> dict[str, Any]:
    return {"command": [word.decode("utf-8", "replace") for word in commit.command]}
