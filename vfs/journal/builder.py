"""A lineage graph while it is being made: each node and edge once, whatever way it is come upon."""

from __future__ import annotations

import dataclasses

from vfs.journal.graph import (
    Certainty,
    CommitNode,
    Direction,
    Edge,
    FilesNode,
    Graph,
    Node,
    Role,
    RunNode,
    Scope,
    Subject,
    Version,
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
        self._notes: dict[str, None] = {}

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

    def affected(self, id: str, *, direct: frozenset[bytes], possible: frozenset[bytes]) -> None:
        """Say of the commit node `id` which of its paths were made from what was asked about."""
        node = self._nodes[id]
        if isinstance(node, CommitNode):
            self._nodes[id] = dataclasses.replace(node, direct=tuple(sorted(direct)), possible=tuple(sorted(possible)))

    def run(self, stored: StoredCommit, sealed: Sealed, *, scope: Scope = "run", reason: str = "") -> str:
        """The node of the run that made a commit; the scope of its inputs is that of the last call."""
        id = run_key(stored.commit.repo, stored.id)
        known = self._nodes.get(id)
        if isinstance(known, RunNode):
            self._nodes[id] = dataclasses.replace(known, scope=scope, reason=reason)
            return id
        record = sealed.record
        return self._node(
            RunNode(
                id=id,
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
                listed=sum(len(reading.listed) for reading in sealed.readings),
                absent=sum(len(reading.absent) for reading in sealed.readings),
                scope=scope,
                reason=reason,
                record=record,
            )
        )

    def files(self, made: StoredCommit, place: int, reading: Reading) -> str:
        """The node of what the run behind `made` had of its input number `place`; that of the last call stands."""
        id = files_key(made.commit.repo, made.id, place)
        item = reading.input
        self._nodes[id] = FilesNode(id, item.repo, item.commit, reading.files, reading.listed, reading.absent)
        return id

    def add_files(self, made: StoredCommit, place: int, reading: Reading) -> str:
        """As `files`, in addition to what is known."""
        known = self._nodes.get(files_key(made.commit.repo, made.id, place))
        if isinstance(known, FilesNode):
            files = tuple(sorted({*known.files, *reading.files}))
            listed = tuple(sorted({*known.listed, *reading.listed}))
            absent = tuple(sorted({*known.absent, *reading.absent}))
            reading = Reading(reading.input, files, listed, absent)
        return self.files(made, place, reading)

    def edge(self, source: str, target: str, role: Role, *, files: int = 0, certainty: Certainty | None = None) -> None:
        """Data went from `source` to `target`; the larger count of files stands, and `direct` if it ever was."""
        known = self._edges.get((source, target, role))
        if known is not None:
            files = max(files, known.files)
            certainty = "direct" if "direct" in (certainty, known.certainty) else certainty or known.certainty
        self._edges[source, target, role] = Edge(source, target, role, files, certainty)

    def note(self, text: str) -> None:
        """Something the reader of the graph has to know."""
        self._notes[text] = None

    def graph(
        self,
        direction: Direction,
        root: str,
        path: bytes | None,
        *,
        subject: Subject = "lineage",
        versions: tuple[Version, ...] = (),
    ) -> Graph:
        """What was found."""
        nodes, edges = tuple(self._nodes.values()), tuple(self._edges.values())
        return Graph(direction, root, path, nodes, edges, tuple(self._notes), subject, versions)

    def _node(self, node: Node) -> str:
        self._nodes.setdefault(node.id, node)
        return node.id
