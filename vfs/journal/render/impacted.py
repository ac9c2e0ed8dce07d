"""An impact as a list of commits to act on."""

from __future__ import annotations

from collections.abc import Iterator

from vfs.journal.graph import CommitNode, Graph, RunNode, run_key
from vfs.journal.render import words
from vfs.model.names import printable

# Paths shown of a commit.
FEW = 5


def render_impact(graph: Graph, *, full: bool) -> str:
    """What is downstream: per commit where it still is, which paths, by which run. Each paragraph is one commit."""
    nodes = graph.by_id()
    found = graph.affected()
    root = nodes[graph.root]
    assert isinstance(root, CommitNode)
    lines = [*_head(graph, root, found)]
    for node in found:
        lines.append("")
        lines.extend(_commit(node, nodes.get(run_key(node.repo, node.commit)), limit=None if full else FEW))
    lines.extend(f"note: {words.plain(note)}" for note in graph.notes)
    return "\n".join(lines) + "\n"


def _head(graph: Graph, root: CommitNode, found: list[CommitNode]) -> Iterator[str]:
    path = f":{printable(graph.path)}" if graph.path is not None else ""
    yield "  ".join([words.commit_title(root.repo, root.commit) + path, *words.commit_facts(root)])
    yield f"  {_where(root)}"
    if not found:
        yield "nothing in this store was made from it"
        return
    repos = len({node.repo for node in found})
    direct, possible = sum(len(node.direct) for node in found), sum(len(node.possible) for node in found)
    more = f", and possibly {words.counted(possible, 'more path')}," if possible else ""
    yield (
        f"made into {words.counted(direct, 'path')}{more} "
        f"in {words.counted(len(found), 'commit')} of {words.counted(repos, 'repo')}:"
    )


def _commit(node: CommitNode, run: object, *, limit: int | None) -> Iterator[str]:
    yield "  ".join([words.commit_title(node.repo, node.commit), *words.commit_facts(node)])
    yield f"  {_where(node)}"
    if isinstance(run, RunNode):
        yield f"  {words.plain(run.kind)}: {words.cut(words.command_line(run.command), 200)}"
        yield f"  {', '.join(words.run_facts(run))}"
    yield from (f"  {line}" for line in words.outcome(node, limit))
    if node.more:
        yield "  … more beyond this depth"


def _where(node: CommitNode) -> str:
    if node.refs is None:
        return "where it still is, is not known"
    return f"still in {', '.join(map(words.plain, node.refs))}" if node.refs else "in no branch or tag any more"
