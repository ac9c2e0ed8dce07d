"""How commits are shown to people."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from vfs.cli import output
from vfs.cli.names import first_line, safe
from vfs.cli.values import counted, local_time
from vfs.config.sizes import format_size
from vfs.model.commit import Commit, InputCommit, StoredCommit
from vfs.model.ids import short
from vfs.model.names import printable


def print_commit(stored: StoredCommit, more: Iterable[tuple[str, str]] = (), *, command: bool = True) -> None:
    """A commit as some lines: its id, who, when, from what, how, `more` fields, and the message indented.

    A message that only repeats the command is not shown beside it. Without `command` that is said by what follows.
    """
    commit = stored.commit
    output.line(f"commit {stored.id.hex()}")
    output.fields(
        [
            ("author", commit.author),
            ("time", local_time(commit.time_ns)),
            ("parents", " ".join(short(parent) for parent in commit.parents)),
            ("holds", holds(commit)),
            *(("input", input_text(given)) for given in commit.inputs),
            ("command", command_text(commit.command) if command else ""),
            *more,
        ]
    )
    if commit.message and not _is_command(commit):
        output.line()
        for text in commit.message.rstrip("\n").split("\n"):
            output.line(f"    {safe(text)}".rstrip())


def _is_command(commit: Commit) -> bool:
    """True for the message of a commit that was given none; a long command is cut in it."""
    text = shlex.join(map(printable, commit.command))
    return commit.message == text or (commit.message.endswith("…") and text.startswith(commit.message[:-1]))


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
