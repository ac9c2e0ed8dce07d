"""A lineage graph while it is being made: each node and edge once, whatever way it is come upon."""

from __future__ import annotations

import dataclasses

from vfs.journal.graph import (
    CommitNode,
    Direction,
    Edge,
    FilesNode,
    Graph,
    Node,
    Role,
    RunNode,
    commit_key,
    files_key,
    run_key,
)
from vfs.journal.sealed import Reading, Sealed
from vfs.model.commit import StoredCommit
from vfs.model.ids import Digest


class Builder:
    """Nodes and edges found so far, in order."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._edges: dict[tuple[str, str, Role], Edge] = {}
        self._notes: list[str] = []

    def has(self, id: str) -> bool:
        """True when there is a node `id`."""
        return id in self._nodes

    def commit(self, stored: StoredCommit) -> str:
        """The node of a commit."""
        commit = stored.commit
        return self._node(
            CommitNode(
                id=commit_key(commit.repo, stored.id),
                repo=commit.repo,
                commit=stored.id,
                message=commit.message,
                author=commit.author,
                time_ns=commit.time_ns,
                entries=commit.entries,
                size=commit.size,
            )
        )

    def lost(self, repo: str, commit: Digest, problem: str) -> str:
        """The node of a commit that is named and cannot be read."""
        return self._node(CommitNode(id=commit_key(repo, commit), repo=repo, commit=commit, problem=problem))

    def mark(self, id: str, *, problem: str = "", more: bool = False) -> None:
        """Say of the commit node `id` that its record is unreadable, or that the walk ends here."""
        node = self._nodes[id]
        if isinstance(node, CommitNode):
            self._nodes[id] = dataclasses.replace(node, problem=node.problem or problem, more=node.more or more)

    def run(self, stored: StoredCommit, sealed: Sealed) -> str:
        """The node of the run that made a commit."""
        record = sealed.record
        return self._node(
            RunNode(
                id=run_key(stored.commit.repo, stored.id),
                kind=record.kind,
                command=record.command,
                cwd=record.cwd,
                exit_code=record.exit_code,
                started_ns=record.started_ns,
                ended_ns=record.ended_ns,
                user=record.user,
                host=record.host,
                version=record.version,
                level=record.level,
                gaps=record.gaps,
                processes=len(record.processes),
                reads=sum(len(reading.files) for reading in sealed.readings),
                outputs=len(record.outputs),
                record=record,
            )
        )

    def files(self, made: StoredCommit, place: int, reading: Reading) -> str:
        """The node of the files that the run behind `made` read from its input number `place`."""
        id = files_key(made.commit.repo, made.id, place)
        return self._node(FilesNode(id, reading.input.repo, reading.input.commit, reading.files))

    def edge(self, source: str, target: str, role: Role, *, files: int = 0) -> None:
        """Data went from `source` to `target`; the larger count of files stands."""
        known = self._edges.get((source, target, role))
        if known is None or known.files < files:
            self._edges[source, target, role] = Edge(source, target, role, files)

    def note(self, text: str) -> None:
        """Something the reader of the graph has to know."""
        if text not in self._notes:
            self._notes.append(text)

    def graph(self, direction: Direction, root: str, path: bytes | None) -> Graph:
        """What was found."""
        nodes, edges = tuple(self._nodes.values()), tuple(self._edges.values())
        return Graph(direction, root, path, nodes, edges, tuple(self._notes))

    def _node(self, node: Node) -> str:
        self._nodes.setdefault(node.id, node)
        return node.id
