"""A lineage graph as JSON. The shape is described in docs/LINEAGE.md and only ever grows."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any

from vfs.journal.graph import CommitNode, Edge, FilesNode, Graph, Node, RunNode, Version, run_key
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
        "subject": graph.subject,
        "direction": graph.direction,
        "root": graph.root,
        **asked,
        "nodes": [_node(node) for node in graph.nodes],
        "edges": [_edge(edge) for edge in graph.edges],
        "notes": list(graph.notes),
        **({"commits": list(_affected(graph))} if graph.subject == "impact" else {}),
        **({"versions": [_version(version) for version in graph.versions]} if graph.subject == "blame" else {}),
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
    for name, paths in (("direct", node.direct), ("possible", node.possible)):
        if paths:
            found[name] = _paths(paths)
    if node.refs is not None:
        found["refs"] = list(node.refs)
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
        "listed": node.listed,
        "absent": node.absent,
        "scope": node.scope,
        **({"reason": node.reason} if node.reason else {}),
    }


def _files(node: FilesNode) -> dict[str, Any]:
    return {
        "id": node.id,
        "type": "files",
        "repo": node.repo,
        "commit": node.commit.hex(),
        "count": len(node.files),
        "files": [{**_named("path", path), "digest": digest.hex()} for path, digest in node.files],
        "listed": _paths(node.listed),
        "absent": _paths(node.absent),
    }


def _edge(edge: Edge) -> dict[str, Any]:
    found: dict[str, Any] = {"source": edge.source, "target": edge.target, "role": edge.role}
    if edge.files:
        found["files"] = edge.files
    return {**found, "certainty": edge.certainty} if edge.certainty else found


def _affected(graph: Graph) -> Iterator[dict[str, Any]]:
    nodes = graph.by_id()
    for node in graph.affected():
        run = nodes.get(run_key(node.repo, node.commit))
        made = {"run": _run(run)} if isinstance(run, RunNode) else {}
        yield {**_commit(node), "direct": _paths(node.direct), "possible": _paths(node.possible), **made}


def _version(version: Version) -> dict[str, Any]:
    return {
        **_named("path", version.path),
        "node": version.node,
        "kind": version.kind,
        "size": version.size,
        "digest": version.digest.hex() or None,
        "inputs": version.inputs,
        "narrowed": version.narrowed,
    }


def _paths(paths: Iterable[bytes]) -> list[dict[str, str]]:
    return [_named("path", path) for path in paths]


def _named(key: str, name: bytes) -> dict[str, str]:
    """`name` under `key`; when it is not UTF-8, its exact bytes too, in base64."""
    try:
        return {key: name.decode("utf-8")}
    except UnicodeDecodeError:
        return {key: name.decode("utf-8", "replace"), f"{key}_b64": _b64(name)}


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
