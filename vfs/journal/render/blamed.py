"""A blame as a table: versions of a file, or entries of a directory."""

from __future__ import annotations

from collections.abc import Iterator

from vfs.journal.graph import CommitNode, Graph, Node, RunNode, Version, run_key
from vfs.journal.render import words
from vfs.model.ids import short
from vfs.model.names import printable

_COMMAND = 60


def render_blame(graph: Graph) -> str:
    """A line a version: commit, when, who, how many files it was made from, by what; of entries also their names."""
    nodes = graph.by_id()
    rows = [_row(version, nodes) for version in graph.versions]
    paths = {version.path for version in graph.versions}
    if paths != {graph.path}:
        top = b"" if graph.path is None else graph.path + b"/"
        names = (printable(version.path.removeprefix(top)) for version in graph.versions)
        kinds = ("/" if version.kind == "dir" else "" for version in graph.versions)
        rows = [[name + kind, *row] for name, kind, row in zip(names, kinds, rows, strict=True)]
    lines = list(_aligned(rows)) or ["nothing is in this directory"]
    lines.extend(f"note: {words.plain(note)}" for note in graph.notes)
    return "\n".join(lines) + "\n"


def _row(version: Version, nodes: dict[str, Node]) -> list[str]:
    commit = nodes[version.node]
    assert isinstance(commit, CommitNode)
    run = nodes.get(run_key(commit.repo, commit.commit))
    who, how = words.plain(commit.author), words.first_line(commit.message)
    if isinstance(run, RunNode):
        who = f"{words.plain(run.user)}@{words.plain(run.host)}"
        how = f"{words.plain(run.kind)}: {words.cut(words.command_line(run.command), _COMMAND)}"
    return [short(commit.commit), words.minute(commit.time_ns), who, _inputs(version), how]


def _inputs(version: Version) -> str:
    if version.kind == "removed":
        return "removed"
    if version.inputs is None:
        return "not observed"
    return f"from {words.counted(version.inputs, 'file')}"


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
