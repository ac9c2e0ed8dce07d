"""A lineage graph as a tree of lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from vfs.journal.graph import Graph, RunNode
from vfs.journal.render import words
from vfs.journal.render.blamed import render_blame
from vfs.journal.render.impacted import render_impact
from vfs.journal.render.outline import Outline, Step

# Names shown of a group of files.
FEW = 5
_NOTHING = {
    "up": "nothing is recorded of how it was made",
    "down": "no commit in this store was made from it",
}


def render_text(graph: Graph, *, full: bool = False) -> str:
    """The tree, a line per node and more for details; of a group of files the first 5, or all when `full`.

    A node that can be reached in several ways is shown in full once. An impact is a list of commits to act on, a
    blame a list of versions or entries.
    """
    match graph.subject:
        case "impact":
            return render_impact(graph, full=full)
        case "blame":
            return render_blame(graph)
        case "lineage":
            return _tree(graph, full=full)


def _tree(graph: Graph, *, full: bool) -> str:
    lines = list(_lines(Outline(graph, full=full), limit=None if full else FEW))
    if not graph.edges:
        lines.append(f"└─ {_NOTHING[graph.direction]}")
    if graph.direction == "up" and any(isinstance(node, RunNode) and node.scope == "own" for node in graph.nodes):
        lines.append("only what went into it; --whole-run shows all that these runs read")
    lines.extend(f"note: {words.plain(note)}" for note in graph.notes)
    return "\n".join(lines) + "\n"


def _lines(outline: Outline, *, limit: int | None) -> Iterator[str]:
    shown: set[str] = set()
    # A stack, since a chain of a thousand runs is deeper than Python may call.
    stack: list[tuple[Step, str, str]] = [(outline.root, "", "")]
    while stack:
        step, lead, indent = stack.pop()
        below = list(outline.steps(step.id))
        again = step.id in shown and bool(below)
        yield lead + outline.head(step) + ("  (shown above)" if again else "")
        below = [] if again else below
        for detail in _details(outline, step, again=again, limit=limit):
            yield f"{indent}{'│' if below else ' '}  {detail}"
        stack.extend(reversed(list(_branches(below, indent))))
        shown.add(step.id)


def _details(outline: Outline, step: Step, *, again: bool, limit: int | None) -> Iterator[str]:
    if not again:
        yield from outline.details(step.id)
    if step.files is not None:
        if not outline.up and step.count:
            yield f"{words.counted(step.count, 'file')}:"
        yield from (f"  {name}" for name in words.paths(step.files, limit))
    if not again:
        yield from outline.outcome(step, limit)


def _branches(below: list[Step], indent: str) -> Iterator[tuple[Step, str, str]]:
    for place, step in enumerate(below, 1):
        last = place == len(below)
        yield step, indent + ("└─ " if last else "├─ "), indent + ("   " if last else "│  ")
