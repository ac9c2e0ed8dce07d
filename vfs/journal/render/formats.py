"""The formats a lineage graph can be asked for, by name. Each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vfs.errors import UsageError
from vfs.journal.graph import Graph
from vfs.journal.render.about import About
from vfs.journal.render.document import render_json
from vfs.journal.render.text import render_text

FORMATS = ("text", "json", "dot", "mermaid", "svg", "openlineage", "prov", "rocrate", "html")


_UNKNOWN = About()


def pieces(graph: Graph, format: str, *, full: bool = False, about: About = _UNKNOWN) -> Iterator[str]:
    """As `render`, the large exports piece by piece: of a million files the text is a good part of a gigabyte.

    Nothing is raised after the first piece.
    """
    match format:
        case "prov":
            from vfs.journal.render.prov import prov_pieces

            yield from prov_pieces(graph, full=full)
        case "rocrate":
            from vfs.journal.render.rocrate import rocrate_pieces

            yield from rocrate_pieces(graph, full=full)
        case _:
            yield render(graph, format, full=full, about=about)


def encoded(text: Iterable[str]) -> bytearray:
    """Pieces of text as the bytes of a file."""
    data = bytearray()
    for piece in text:
        data += piece.encode("utf-8", "surrogateescape")
    return data


def render(graph: Graph, format: str, *, full: bool = False, about: About = _UNKNOWN) -> str:
    """The graph in one of `FORMATS`, ending in a newline; `full` shows every file (JSON always does).

    `about`: what the exports say of the store. Openlineage is one event a line, and empty where there is no run.
    UsageError for another format, Refused when a picture cannot be made.
    """
    match format:
        case "text":
            return render_text(graph, full=full)
        case "json":
            return render_json(graph)
        case "dot":
            from vfs.journal.render.dot import render_dot

            return render_dot(graph, full=full)
        case "mermaid":
            from vfs.journal.render.mermaid import render_mermaid

            return render_mermaid(graph, full=full)
        case "svg":
            from vfs.journal.render.svg import render_svg

            return render_svg(graph, full=full)
        case "openlineage":
            from vfs.journal.render.openlineage import render_openlineage

            return render_openlineage(graph, about=about)
        case "prov" | "rocrate":
            return "".join(pieces(graph, format, full=full))
        case "html":
            from vfs.journal.render.report import render_html

            return render_html(graph, about=about, full=full)
        case _:
            raise UsageError(f"lineage format '{format}': unknown; one of {', '.join(FORMATS)}")
