"""How differences between trees are shown: name and status, totals, JSON, text diffs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vfs.cli import output
from vfs.cli.names import named, shown
from vfs.cli.values import entry_json, human_size
from vfs.model.entry import Entry, Kind

if TYPE_CHECKING:
    from vfs.tree.diff import Difference

LEGEND = "A added, D deleted, M content changed, T kind changed, P only mode, time or attributes changed"


def letter(change: Difference) -> str:
    """One letter for the change, as `LEGEND` explains."""
    if change.old is None:
        return "A"
    if change.new is None:
        return "D"
    if change.old.kind is not change.new.kind:
        return "T"
    return "M" if _content(change.old) != _content(change.new) else "P"


def worth_showing(change: Difference) -> bool:
    """False for a directory of which only the time changed: something in it did, and is listed itself."""
    old, new = change.old, change.new
    if old is None or new is None or old.kind is not Kind.DIR or new.kind is not Kind.DIR:
        return True
    return (old.mode, old.xattrs) != (new.mode, new.xattrs)


def change_json(change: Difference) -> dict[str, Any]:
    """One change with what was and what is."""
    return {
        **named("path", change.path),
        "change": letter(change),
        "old": entry_json(change.old) if change.old else None,
        "new": entry_json(change.new) if change.new else None,
    }


def print_names(changes: Iterator[Difference]) -> int:
    """A line `LETTER  PATH` for each change; how many there were."""
    count = 0
    for change in changes:
        output.line(f"{letter(change)}  {shown(change.path) or '.'}")
        count += 1
    return count


def print_totals(changes: Iterator[Difference]) -> None:
    """How many paths changed in which way, and how many bytes came and went."""
    counts: dict[str, int] = {}
    came = went = 0
    for change in changes:
        counts[letter(change)] = counts.get(letter(change), 0) + 1
        if letter(change) != "P":
            came += change.new.size if change.new else 0
            went += change.old.size if change.old else 0
    words = {"A": "added", "M": "changed", "D": "deleted", "T": "of another kind", "P": "touched"}
    told = [f"{counts[key]} {word}" for key, word in words.items() if key in counts]
    output.line(", ".join([*told, f"+{human_size(came)} -{human_size(went)}"]) if told else "no changes")


def _content(entry: Entry) -> tuple[object, ...]:
    return entry.digest, entry.target, entry.size
