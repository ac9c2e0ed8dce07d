"""A lineage graph as JSON. The shape is described in docs/LINEAGE.md and only ever grows."""

from __future__ import annotations

import base64
import json
from typing import Any

from vfs.journal.graph import CommitNode, Edge, FilesNode, Graph, Node, RunNode
from vfs.journal.render.words import rfc3339

FORMAT = 1


def render_json(graph: Graph) -> str:
    """The whole graph, every file of it, as one JSON document."""
    return json.dumps(document(graph), ensure_ascii=False, indent=2) + "\n"


def document(graph: Graph) -> dict[str, Any]:
    """The graph as JSON values."""
    asked = _named("path", graph.path) if graph.path is not None else {}
    return {
        "format": FORMAT,
        "direction": graph.direction,
        "root": graph.root,
        **asked,
        "nodes": [_node(node) for node in graph.nodes],
        "edges": [_edge(edge) for edge in graph.edges],
        "notes": list(graph.notes),
    }


def _node(node: Node) -> dict[str, Any]:
    match node:
        case CommitNode():
            return _commit(node)
        case RunNode():
            return _run(node)
        case FilesNode():
            return _files(node)


def _commit(node: CommitNode) -> dict[str, Any]:
    found: dict[str, Any] = {"id": node.id, "type": "commit", "repo": node.repo, "commit": node.commit.hex()}
    if node.problem:
        found["problem"] = node.problem
    if node.more:
        found["more"] = True
    facts = {"message": node.message, "author": node.author, "entries": node.entries, "size": node.size}
    return {**found, "time": rfc3339(node.time_ns), **facts} if node.time_ns else found


def _run(node: RunNode) -> dict[str, Any]:
    command = [_named("word", word) for word in node.command]
    return {
        "id": node.id,
        "type": "run",
        "kind": node.kind,
        "command": [item["word"] for item in command],
        **({"command_b64": [_b64(word) for word in node.command]} if any(len(item) > 1 for item in command) else {}),
        **_named("cwd", node.cwd),
        "exit_code": node.exit_code,
        "started": rfc3339(node.started_ns),
        "ended": rfc3339(node.ended_ns) if node.ended_ns else None,
        "user": node.user,
        "host": node.host,
        "version": node.version,
        "level": node.level,
        "gaps": node.gaps,
        "processes": node.processes,
        "reads": node.reads,
        "outputs": node.outputs,
    }


def _files(node: FilesNode) -> dict[str, Any]:
    return {
        "id": node.id,
        "type": "files",
        "repo": node.repo,
        "commit": node.commit.hex(),
        "count": len(node.files),
        "files": [{**_named("path", path), "digest": digest.hex()} for path, digest in node.files],
    }


def _edge(edge: Edge) -> dict[str, Any]:
    found: dict[str, Any] = {"source": edge.source, "target": edge.target, "role": edge.role}
    return {**found, "files": edge.files} if edge.files else found


def _named(key: str, name: bytes) -> dict[str, str]:
    """`name` under `key`; when it is not UTF-8, its exact bytes too, in base64."""
    try:
        return {key: name.decode("utf-8")}
    except UnicodeDecodeError:
        return {key: name.decode("utf-8", "replace"), f"{key}_b64": _b64(name)}


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
