"""How changes of a tree are shown: letter and path, totals, JSON; for revisions and for writable mounts alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vfs.cli import output
from vfs.cli.names import named, shown
from vfs.cli.values import entry_json
from vfs.config.sizes import format_size
from vfs.model.entry import Entry, Kind
from vfs.repo.compare import change_of

if TYPE_CHECKING:
    from vfs.tree.diff import Difference
    from vfs.workspace.compare import LayerChange

_WORDS = {
    "A": "added",
    "M": "changed",
    "D": "deleted",
    "R": "moved",
    "T": "of another kind",
    "P": "touched",
    "I": "ignored",
}
_KINDS = {
    "A": "added",
    "M": "modified",
    "D": "deleted",
    "R": "renamed",
    "T": "type",
    "P": "attributes",
    "I": "ignored",
}


@dataclass(frozen=True)
class Change:
    """One path. `letter`: A added, D deleted, M content, T kind, P only mode, time or attributes changed.

    In a writable mount also R, moved (then `old` has the path it had), and I, ignored.
    """

    letter: str
    path: bytes
    old: Entry | None
    new: Entry | None


def of_difference(found: Difference) -> Change:
    """A difference between two commits."""
    return Change(change_of(found).value, found.path, found.old, found.new)


def of_layer(found: LayerChange) -> Change:
    """A change in a writable mount. Files that were written have no digest yet."""
    return Change(found.what.value, found.path, found.old, found.new.as_entry() if found.new else None)


def worth_showing(changes: Iterable[Change]) -> Iterator[Change]:
    """`changes` without the directories of which only the time changed, unless there is nothing else.

    As a rule something in such a directory changed and is listed itself. Where nothing did, the times are what
    the difference is about.
    """
    times: list[Change] = []
    told = False
    for change in changes:
        if not _is_time_of_directory(change):
            told = True
            times.clear()
            yield change
        elif not told:
            times.append(change)
    yield from times


def _is_time_of_directory(change: Change) -> bool:
    old, new = change.old, change.new
    if old is None or new is None or old.kind is not Kind.DIR or new.kind is not Kind.DIR:
        return False
    return (old.mode, old.xattrs) == (new.mode, new.xattrs)


def change_json(change: Change) -> dict[str, Any]:
    """One change with what was and what is."""
    moved = named("from", change.old.path) if change.letter == "R" and change.old else {}
    return {
        **named("path", change.path),
        "change": change.letter,
        "kind": _KINDS[change.letter],
        **moved,
        "old": entry_json(change.old) if change.old else None,
        "new": entry_json(change.new) if change.new else None,
    }


def print_names(changes: Iterable[Change]) -> None:
    """A line `LETTER  PATH` for each change; `R  OLD -> NEW` for what was moved."""
    for change in changes:
        moved = f"{shown(change.old.path)} -> " if change.letter == "R" and change.old else ""
        output.line(f"{change.letter}  {moved}{shown(change.path) or '.'}")


def print_totals(changes: Iterable[Change]) -> None:
    """How many paths changed in which way, and how many bytes came and went."""
    counts: dict[str, int] = {}
    came = went = 0
    for change in changes:
        counts[change.letter] = counts.get(change.letter, 0) + 1
        if change.letter not in "PRI":
            came += change.new.size if change.new else 0
            went += change.old.size if change.old else 0
    told = [f"{counts[letter]} {word}" for letter, word in _WORDS.items() if letter in counts]
    output.line(", ".join([*told, f"+{format_size(came)}, -{format_size(went)}"]) if told else "no changes")
