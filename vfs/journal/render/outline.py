"""The way through a lineage graph from its root: which nodes come next, and what to say about the way there."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from vfs.journal.graph import CommitNode, Edge, FilesNode, Graph, Node, Role, RunNode
from vfs.journal.render import words
from vfs.model.names import printable
from vfs.model.record import SEEN_ALL

# Characters of a command: a shell that was handed 10,000 names makes a line of a megabyte.
_COMMAND = 400


class Step(msgspec.Struct, frozen=True):
    """The way to a node. `files` is the group of files that was passed on it, if any."""

    id: str
    role: Role | None = None
    came_from: str = ""
    count: int = 0
    files: FilesNode | None = None


class Outline:
    """A graph seen from its root, along the direction of the question; groups of files lie on the way, not at stops."""

    def __init__(self, graph: Graph, *, full: bool) -> None:
        """`full`: commands are never cut."""
        self.root = Step(graph.root)
        self.up = graph.direction == "up"
        self._path = graph.path
        self._full = full
        self.nodes: dict[str, Node] = graph.by_id()
        self._next: dict[str, list[Edge]] = {}
        for edge in graph.edges:
            self._next.setdefault(edge.target if self.up else edge.source, []).append(edge)

    def steps(self, id: str) -> Iterator[Step]:
        """The ways on from a node."""
        for edge in self._next.get(id, []):
            other = self._far(edge)
            node = self.nodes.get(other)
            if isinstance(node, FilesNode):
                for following in self._next.get(other, []):
                    yield Step(self._far(following), "read", id, len(node.files), node)
            elif node is not None:
                yield Step(other, edge.role, id, edge.files)

    def head(self, step: Step) -> str:
        """The line of the node that `step` leads to."""
        node = self.nodes[step.id]
        if isinstance(node, RunNode):
            command = words.command_line(node.command)
            shown = command if self._full else words.cut(command, _COMMAND)
            return f"{self._lead(step)}{words.plain(node.kind)}: {shown}"
        return self._lead(step) + "  ".join([self.title(step.id), *self._facts(node)])

    def title(self, id: str) -> str:
        """The name of a node alone."""
        node = self.nodes[id]
        if isinstance(node, RunNode):
            return f"{words.plain(node.kind)}: {words.cut(words.command_line(node.command), 60)}"
        path = f":{printable(self._path)}" if self._path is not None and id == self.root.id else ""
        return words.commit_title(node.repo, node.commit) + path

    def details(self, id: str) -> list[str]:
        """What is worth a line of its own about a node."""
        node = self.nodes[id]
        if isinstance(node, RunNode):
            known = (*words.run_facts(node), words.run_watch(node), *words.run_names(node))
            facts = ", ".join(fact for fact in known if fact)
            scope = words.run_scope(node, self._shown(id)) if self.up else ""
            return [facts, *([scope] if scope else [])]
        if isinstance(node, CommitNode):
            lost = [f"cannot be read: {words.plain(node.problem)}"] if node.problem else []
            return [*lost, *(["… more beyond this depth"] if node.more else [])]
        return []

    def outcome(self, step: Step, limit: int | None) -> list[str]:
        """What of the commit at `step` was made from what was asked about."""
        node = self.nodes[step.id]
        return words.outcome(node, limit) if isinstance(node, CommitNode) else []

    def _shown(self, id: str) -> int:
        groups = (self.nodes.get(self._far(edge)) for edge in self._next.get(id, []))
        return len(
            {(node.repo, node.commit, file) for node in groups if isinstance(node, FilesNode) for file in node.files}
        )

    def _facts(self, node: Node) -> list[str]:
        return words.commit_facts(node) if isinstance(node, CommitNode) else []

    def _far(self, edge: Edge) -> str:
        return edge.source if self.up else edge.target

    def _given(self, step: Step) -> str:
        run = self.nodes[step.came_from]
        seen_all = isinstance(run, RunNode) and run.level in SEEN_ALL and not run.gaps
        return "given, and read nothing of, " if seen_all else "given "

    def _read(self, step: Step, files: str) -> str:
        if step.count or step.files is None:
            return f"read {files} of "
        return "listed directories of " if step.files.listed else "looked for names in "

    def _lead(self, step: Step) -> str:
        files = words.counted(step.count, "file")
        match step.role:
            case "read":
                return self._read(step, files) if self.up else "read by " if step.count else "names seen by "
            case "given":
                return self._given(step) if self.up else "given to "
            case "carried":
                return f"{files} from " if self.up else f"{files} still in " if step.count else "goes on in "
            case "made" if not self.up:
                return "made "
            case "replaced":
                return "in place of "
            case _:
                return ""
