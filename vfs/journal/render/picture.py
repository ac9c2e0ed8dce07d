"""What a picture of a lineage graph shows: boxes with a title and small lines, arrows with a word. No syntax."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from vfs.journal.graph import CommitNode, Edge, FilesNode, Graph, Node, RunNode
from vfs.journal.render import words
from vfs.model.names import printable

Look: TypeAlias = Literal["commit", "run", "files", "lost"]
# Characters of a line in a box: wider boxes make a picture that nobody can read at once.
_WIDTH = 44
_TITLE = 60
# Names shown in a box of files.
FEW = 5


class Box(msgspec.Struct, frozen=True):
    """One node. `hint` is the text in full, for formats that can show it on request."""

    name: str
    look: Look
    title: str
    lines: tuple[str, ...]
    hint: str
    root: bool


class Arrow(msgspec.Struct, frozen=True):
    """One edge between boxes, by their names; `word` may be empty. `faint`: data that was merely passed on."""

    source: str
    target: str
    word: str
    faint: bool


def boxes(graph: Graph, *, full: bool) -> Iterator[Box]:
    """The boxes, named n0, n1, …"""
    for number, node in enumerate(graph.nodes):
        look, title, lines, hint = _content(node, None if full else FEW)
        is_root = node.id == graph.root
        if is_root and graph.path is not None:
            title = f"{title}:{printable(graph.path)}"
        yield Box(
            f"n{number}",
            look,
            words.cut(title, _TITLE),
            tuple(words.cut(line, _WIDTH) for line in lines),
            hint,
            is_root,
        )


def arrows(graph: Graph) -> Iterator[Arrow]:
    """The arrows between the boxes of the same graph."""
    names = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    for edge in graph.edges:
        if edge.source in names and edge.target in names:
            faint = edge.role in ("carried", "replaced") or edge.certainty == "possible"
            yield Arrow(names[edge.source], names[edge.target], _word(edge), faint)


def _word(edge: Edge) -> str:
    match edge.role:
        case "given":
            return "given"
        case "carried":
            return f"{words.counted(edge.files, 'file')} kept" if edge.files else "kept"
        case "replaced":
            return "replaced by"
        case "made" if edge.certainty == "possible":
            return "possibly"
        case _:
            return ""


def _content(node: Node, limit: int | None) -> tuple[Look, str, list[str], str]:
    match node:
        case CommitNode():
            return _commit(node)
        case RunNode():
            return _run(node)
        case FilesNode():
            return (
                "files",
                words.files_title(node),
                words.paths(node, limit),
                words.commit_title(node.repo, node.commit),
            )


def _commit(node: CommitNode) -> tuple[Look, str, list[str], str]:
    title = words.commit_title(node.repo, node.commit)
    lines = words.commit_facts(node)
    if node.problem:
        return "lost", title, [*lines, "cannot be read"], words.plain(node.problem)
    for head, paths in (("made from it", node.direct), ("possibly", node.possible)):
        if paths:
            lines.append(f"{head}: {words.counted(len(paths), 'path')}")
    lines.extend(f"in {words.plain(ref)}" for ref in (node.refs or ())[:FEW])
    more = ["… more beyond this depth"] if node.more else []
    return "commit", title, [*lines, *more], f"{words.plain(node.repo)} {node.commit.hex()}"


def _run(node: RunNode) -> tuple[Look, str, list[str], str]:
    command = words.command_line(node.command)
    facts = words.run_facts(node)
    lines = [words.cut(command, _WIDTH), facts[0], ", ".join(facts[1:]), words.run_watch(node), *words.run_names(node)]
    if node.scope == "own":
        lines.append("only what went into its output")
    return "run", words.plain(node.kind), [line for line in lines if line], command
