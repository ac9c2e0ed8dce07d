"""Differences of text files line by line, as `diff -u` shows them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from vfs.cli import output
from vfs.cli.changes import Change
from vfs.cli.names import safe, shown
from vfs.model.entry import Entry, Kind

if TYPE_CHECKING:
    from vfs.repo.library import Library

# difflib compares some 100,000 lines a second; longer files are for other tools.
TEXT_MAX = 1 << 20
_NO_NEWLINE = "\\ No newline at end of file"


def print_patches(library: Library, changes: Iterable[Change]) -> None:
    """Each change with a heading; files that are text on both sides with their lines."""
    for change in changes:
        output.line(f"{change.letter}  {shown(change.path) or '.'}")
        if any(entry is not None and entry.kind is Kind.FILE for entry in (change.old, change.new)):
            _print(library, change)


def _print(library: Library, change: Change) -> None:
    old, new = _lines(library, change.old), _lines(library, change.new)
    if old is None or new is None:
        output.line("   not text, or over 1 MiB")
        return
    name = shown(change.path)
    before = f"a/{name}" if change.old else "/dev/null"
    after = f"b/{name}" if change.new else "/dev/null"
    for at, text in enumerate(difflib.unified_diff(old, new, before, after, lineterm="")):
        line, newline, _ = text.partition("\n")
        output.line(safe(line))
        # The first two lines name the files.
        if at > 1 and not newline and not line.startswith("@@"):
            output.line(_NO_NEWLINE)


def _lines(library: Library, entry: Entry | None) -> list[str] | None:
    """The lines of a text file with their ends; None for what is not text, no lines for what is not there."""
    if entry is None or entry.kind is not Kind.FILE:
        return []
    if entry.size > TEXT_MAX:
        return None
    data = library.files.read(entry, 0, entry.size)
    if b"\0" in data:
        return None
    # Split at newlines alone: other line ends belong to the line.
    return [part + "\n" for part in data.decode("utf-8", "surrogateescape").split("\n")[:-1]] + _rest(data)


def _rest(data: bytes) -> list[str]:
    rest = data.rpartition(b"\n")[2]
    return [rest.decode("utf-8", "surrogateescape")] if rest else []
