"""What a lineage graph says of each run, gathered for the formats that speak of runs."""

from __future__ import annotations

from collections.abc import Iterator

from vfs.journal.graph import CommitNode, Edge, FilesNode, Graph, RunNode
from vfs.model.ids import Digest
from vfs.model.names import printable
from vfs.model.record import SEEN_ALL, Code, Process, RunRecord

# Files that a format names one by one unless all are asked for.
MANY = 1000


class Facts:
    """The runs of a graph, oldest first, and what each used and made, in the order of the graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._nodes = graph.by_id()
        self._into: dict[str, list[Edge]] = {}
        self._out: dict[str, list[Edge]] = {}
        for edge in graph.edges:
            self._into.setdefault(edge.target, []).append(edge)
            self._out.setdefault(edge.source, []).append(edge)

    def commits(self) -> list[CommitNode]:
        """All commits, in the order of the graph."""
        return [node for node in self.graph.nodes if isinstance(node, CommitNode)]

    def groups(self) -> list[FilesNode]:
        """All groups of files, in the order of the graph."""
        return [node for node in self.graph.nodes if isinstance(node, FilesNode)]

    def runs(self) -> list[RunNode]:
        """All runs, oldest first."""
        found = [node for node in self.graph.nodes if isinstance(node, RunNode)]
        return sorted(found, key=lambda node: (node.started_ns, node.id))

    def nearest_runs(self) -> list[RunNode]:
        """All runs, those first that were found nearest to the root."""
        return [node for node in self.graph.nodes if isinstance(node, RunNode)]

    def root(self) -> CommitNode | None:
        """The commit that was asked about."""
        node = self._nodes.get(self.graph.root)
        return node if isinstance(node, CommitNode) else None

    def made(self, run: RunNode) -> list[CommitNode]:
        """The commits that a run made: one, unless the graph is odd."""
        ends = (self._nodes.get(edge.target) for edge in self._out.get(run.id, []) if edge.role == "made")
        return [node for node in ends if isinstance(node, CommitNode)]

    def maker(self, commit: CommitNode) -> RunNode | None:
        """The run that made a commit."""
        starts = (self._nodes.get(edge.source) for edge in self._into.get(commit.id, []) if edge.role == "made")
        return next((node for node in starts if isinstance(node, RunNode)), None)

    def read(self, run: RunNode) -> list[FilesNode]:
        """The groups of files that a run read."""
        starts = (self._nodes.get(edge.source) for edge in self._into.get(run.id, []))
        return [node for node in starts if isinstance(node, FilesNode)]

    def given(self, node: RunNode | CommitNode) -> list[CommitNode]:
        """Commits that a run was given and of which no read is known; or those a commit without record names."""
        edges = (edge for edge in self._into.get(node.id, []) if edge.role == "given")
        starts = (self._nodes.get(edge.source) for edge in edges)
        return [start for start in starts if isinstance(start, CommitNode)]

    def carried(self) -> Iterator[tuple[CommitNode, CommitNode, int]]:
        """Each commit whose files are still in a later one of its repo, or replaced there; that one; how many files."""
        for edge in self.graph.edges:
            source, target = self._nodes.get(edge.source), self._nodes.get(edge.target)
            if (
                edge.role in ("carried", "replaced")
                and isinstance(source, CommitNode)
                and isinstance(target, CommitNode)
            ):
                yield source, target, edge.files


def ended(run: RunNode, made: list[CommitNode]) -> int:
    """When a run was over: by its record, else by the commit it made, else when it began."""
    return max(run.ended_ns or (made[0].time_ns if made else 0), run.started_ns)


def observed(run: RunNode) -> bool:
    """True when no read of the run can be missing."""
    return run.level in SEEN_ALL and not run.gaps


def outputs(run: RunNode) -> list[tuple[bytes, Digest]]:
    """The paths that a run made or changed."""
    return [(item.path, item.digest) for item in run.record.outputs] if run.record else []


def program(run: RunNode) -> Process | None:
    """The process that the command started as, if it is among those described."""
    processes = run.record.processes if run.record else ()
    same = (process for process in processes if process.argv == run.command)
    return next(same, next((process for process in processes if not process.parent), None))


def program_name(run: RunNode) -> str:
    """The name of the program of a command, without its directory."""
    word = run.command[0] if run.command else run.kind.encode("utf-8", "surrogateescape")
    return printable(word.rstrip(b"/").rpartition(b"/")[2]) or "program"


def code_of(record: RunRecord | None) -> list[Code]:
    """The program text that is known to be in a git work tree, scripts first."""
    found = [item for item in record.code if item.commit] if record else []
    return sorted(found, key=lambda item: item.role != "script")
