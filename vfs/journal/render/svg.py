"""A lineage graph as an SVG picture, laid out by graphviz."""

from __future__ import annotations

import shutil
import subprocess

from vfs.errors import Refused
from vfs.journal.graph import Graph
from vfs.journal.render import words
from vfs.journal.render.dot import render_dot

# Graphviz takes a second for a thousand boxes, and grows faster than their number.
_SECONDS = 120


def render_svg(graph: Graph, *, full: bool = False) -> str:
    """The picture; Refused when graphviz is not there, fails, or needs over two minutes."""
    program = shutil.which("dot")
    if program is None:
        raise Refused(
            "svg: graphviz is not installed: no `dot` on PATH; "
            "install the package graphviz, or ask for dot, mermaid, text or json"
        )
    try:
        done = subprocess.run(
            [program, "-Tsvg"], input=render_dot(graph, full=full).encode(), capture_output=True, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise Refused(f"svg: {program} took over {_SECONDS} s for {len(graph.nodes)} boxes; limit the depth") from error
    except OSError as error:
        raise Refused(f"svg: {program} could not be run: {error.strerror}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "backslashreplace").strip().partition("\n")[0]
        raise Refused(f"svg: {program} ended with status {done.returncode}: {words.plain(said)}")
    return done.stdout.decode("utf-8", "replace")
