"""Lineage as a graph: commits, the runs that made them, and the files that went from one to the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from vfs.model.ids import Digest
from vfs.model.record import RunRecord

Direction: TypeAlias = Literal["up", "down"]
Subject: TypeAlias = Literal["lineage", "impact", "blame"]
# direct: the inputs of an output, as far as they can be told apart, hold what was asked about; possible: some other
# output of a run that read it, or one of a run of which not all reads are known.
Certainty: TypeAlias = Literal["direct", "possible"]
Scope: TypeAlias = Literal["run", "own"]
# holds: commit -> files in it; read: files -> run that read them; given: commit -> run it was given to, of which
# no file is known to be read; made: run -> commit; carried: commit that last changed files -> later commit of the
# same repo in which they still are; replaced: commit that made a version of a path -> the one that made the next.
Role: TypeAlias = Literal["holds", "read", "given", "made", "carried", "replaced"]


@dataclass(frozen=True)
class CommitNode:
    """A commit. `problem` says why nothing is known of it; `more` that the walk stopped here by its depth.

    Downwards, `direct` and `possible` are the paths it made from what was asked about. `refs` names the branches
    and tags (`branch main`, `tag v1`) whose commit still holds one of these paths as it was made; None when that
    was not asked.
    """

    id: str
    repo: str
    commit: Digest
    message: str = ""
    author: str = ""
    time_ns: int = 0
    entries: int = 0
    size: int = 0
    problem: str = ""
    more: bool = False
    direct: tuple[bytes, ...] = ()
    possible: tuple[bytes, ...] = ()
    refs: tuple[str, ...] | None = None


@dataclass(frozen=True)
class RunNode:
    """What made a commit: a run, a put, a commit of a mount. Times in nanoseconds since the epoch.

    `level` and `gaps` are those of the record: how reads were observed, and how many are known to be lost. `record`
    is the record itself, for formats that say more: the whole of it, whatever part of the run was asked about.
    `reads`, `listed`, `absent` count the inputs of the whole run. `scope` says of which of them the groups of files
    hold: `run` all, `own` those of the outputs that were asked about; `reason` why they are all, where that is
    not what was asked for.
    """

    id: str
    kind: str
    command: tuple[bytes, ...]
    cwd: bytes
    exit_code: int
    started_ns: int
    ended_ns: int
    user: str
    host: str
    version: str
    level: str
    gaps: int
    processes: int
    reads: int
    outputs: int
    listed: int = 0
    absent: int = 0
    scope: Scope = "run"
    reason: str = ""
    record: RunRecord | None = field(default=None, repr=False, compare=False, kw_only=True)


@dataclass(frozen=True)
class FilesNode:
    """Files of one commit that one run read, directories it listed, names it looked up in vain; each by path."""

    id: str
    repo: str
    commit: Digest
    files: tuple[tuple[bytes, Digest], ...]
    listed: tuple[bytes, ...] = ()
    absent: tuple[bytes, ...] = ()


Node: TypeAlias = CommitNode | RunNode | FilesNode


@dataclass(frozen=True)
class Edge:
    """Data went from `source` to `target`, both node ids. `files`: how many, where the role is about files.

    `certainty` is known downwards, of the edge from a run to its commit: whether one of its outputs is direct.
    """

    source: str
    target: str
    role: Role
    files: int = 0
    certainty: Certainty | None = None


@dataclass(frozen=True)
class Version:
    """One line of a blame: the commit (a node id) that made `path` what it is, or once was.

    `kind` is file, dir or symlink, or `removed`. `inputs` counts the files it was made from, None while nothing is
    recorded of that; `narrowed` says that they are those of this path, not of the whole run.
    """

    path: bytes
    node: str
    kind: str
    size: int = 0
    digest: Digest = b""
    inputs: int | None = None
    narrowed: bool = False


@dataclass(frozen=True)
class Graph:
    """Nodes in the order they were found, the root first; edges point the way the data went.

    The graph has no cycle. `direction` says which way it was followed from `root`; `path` is what was asked
    about, None for the whole commit; `notes` says what could not be looked at. `subject` is the question that was
    asked; the answer to a blame is in `versions`, the newest first of one file, by path in a directory.
    """

    direction: Direction
    root: str
    path: bytes | None
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    notes: tuple[str, ...] = ()
    subject: Subject = "lineage"
    versions: tuple[Version, ...] = ()

    def by_id(self) -> dict[str, Node]:
        """The nodes by their id."""
        return {node.id: node for node in self.nodes}

    def affected(self) -> list[CommitNode]:
        """Downwards: the commits that hold something made from what was asked about, the nearest first."""
        nodes = (node for node in self.nodes if isinstance(node, CommitNode) and node.id != self.root)
        return [node for node in nodes if node.direct or node.possible]


def commit_key(repo: str, commit: Digest) -> str:
    """The id of the node of a commit."""
    return f"commit:{repo}:{commit.hex()}"


def run_key(repo: str, commit: Digest) -> str:
    """The id of the node of the run that made a commit."""
    return f"run:{repo}:{commit.hex()}"


def files_key(repo: str, commit: Digest, place: int) -> str:
    """The id of the files that the run behind `commit` read from its input number `place`."""
    return f"files:{repo}:{commit.hex()}:{place}"
