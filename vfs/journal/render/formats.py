"""The formats a lineage graph can be asked for, by name."""

from __future__ import annotations

from vfs.errors import UsageError
from vfs.journal.graph import Graph
from vfs.journal.render.document import render_json
from vfs.journal.render.dot import render_dot
from vfs.journal.render.mermaid import render_mermaid
from vfs.journal.render.svg import render_svg
from vfs.journal.render.text import render_text

FORMATS = ("text", "json", "dot", "mermaid", "svg")


def render(graph: Graph, format: str, *, full: bool = False) -> str:
    """The graph in one of `FORMATS`, ending in a newline; `full` shows every file (JSON always does).

    UsageError for another format, Refused when a picture cannot be made.
    """
    match format:
        case "text":
            return render_text(graph, full=full)
        case "json":
            return render_json(graph)
        case "dot":
            return render_dot(graph, full=full)
        case "mermaid":
            return render_mermaid(graph, full=full)
        case "svg":
            return render_svg(graph, full=full)
        case _:
            raise UsageError(f"lineage format '{format}': unknown; one of {', '.join(FORMATS)}")
