"""Impact: all that was made from a file or a commit, as a list to act on; the rules are in docs/LINEAGE.md."""

from __future__ import annotations

import dataclasses

from vfs.errors import Corrupt, NotFound, ObjectMissing
from vfs.journal.affected import outputs
from vfs.journal.graph import CommitNode, Graph, Node, RunNode, run_key
from vfs.journal.holders import Holders
from vfs.journal.lineage import down
from vfs.journal.origins import files_below
from vfs.repo.commits import read_commit
from vfs.repo.library import Library
from vfs.repo.resolve import Resolved


def impact(
    library: Library,
    resolved: Resolved,
    *,
    depth: int | None = None,
    listings: bool = False,
    all_versions: bool = False,
) -> Graph:
    """What was made from a revision and its path, as `down` finds it, and which refs still hold which of it.

    The root's own `refs` are those in which what was asked about still is. Errors as those of `down`.
    """
    graph = down(library, resolved, depth=depth, listings=listings, all_versions=all_versions)
    affected = graph.affected()
    holders = Holders(library, {resolved.repo, *(node.repo for node in affected)})
    nodes_by_id = graph.by_id()
    known: dict[str, Node] = {}
    for node in affected:
        run = nodes_by_id.get(run_key(node.repo, node.commit))
        known[node.id] = _with_refs(library, holders, node, run if isinstance(run, RunNode) else None)
    root = nodes_by_id[graph.root]
    if isinstance(root, CommitNode):
        known[root.id] = dataclasses.replace(root, refs=_still(library, holders, resolved, all_versions=all_versions))
    nodes = tuple(known.get(node.id, node) for node in graph.nodes)
    return dataclasses.replace(graph, nodes=nodes, notes=(*graph.notes, *holders.problems), subject="impact")


def _still(library: Library, holders: Holders, resolved: Resolved, *, all_versions: bool) -> tuple[str, ...]:
    """The refs in which what was asked about still is."""
    stored, path = resolved.stored, resolved.path
    if not path:
        return holders.of(stored, dict.fromkeys(outputs(library, stored, None)))
    if all_versions:
        return holders.having(resolved.repo, path)
    return holders.of(stored, dict.fromkeys(files_below(library.tree(stored), path)))


def _with_refs(library: Library, holders: Holders, node: CommitNode, run: RunNode | None) -> CommitNode:
    try:
        stored = read_commit(library, node.repo, node.commit)
    except (NotFound, ObjectMissing, Corrupt):
        return node
    # The record tells the digests without a look at the tree.
    known = {output.path: output.digest for output in run.record.outputs} if run and run.record else {}
    made = {path: known.get(path) for path in (*node.direct, *node.possible)}
    return dataclasses.replace(node, refs=holders.of(stored, made))
