"""The picture of an audit report: the graph near the commit, drawn by graphviz, or told as lines of text."""

from __future__ import annotations

import dataclasses
import re
import shutil

from vfs.errors import Refused
from vfs.journal.graph import Graph
from vfs.journal.render import words
from vfs.journal.render.markup import Html, el, join, section
from vfs.journal.render.svg import render_svg
from vfs.journal.render.text import render_text

# Boxes of a picture that a person still reads, and graphviz draws in a second.
BOXES = 60
_SIZE = re.compile(r'<svg width="(\d+)pt" height="(\d+)pt"')


def picture(graph: Graph) -> Html:
    """The section with the picture, what its boxes mean, and what was left out of it."""
    near = _near(graph)
    left = len(graph.nodes) - len(near.nodes)
    cut = (
        el("p", f"Shown are the {len(near.nodes)} boxes nearest to this version; {left:,} more are left out here.")
        if left
        else Html("")
    )
    return section("picture", "The picture", el("p", _LEGEND), cut, _drawn(near, graph))


_LEGEND = (
    "Blue boxes are versions of data, amber boxes are runs of a program, grey boxes are the files that a run read. "
    "Arrows point the way the data went. A red box cannot be read any more. Times are in UTC."
)
_WITHOUT = (
    "The program graphviz, which draws the picture, was not there when this page was written. These lines say the "
    "same: what is indented below a line came from, or went into, the line above it."
)


def _near(graph: Graph) -> Graph:
    """The first boxes of the graph, which were found nearest to the root, and the arrows between them."""
    nodes = graph.nodes[:BOXES]
    kept = {node.id for node in nodes}
    edges = tuple(edge for edge in graph.edges if edge.source in kept and edge.target in kept)
    return dataclasses.replace(graph, nodes=nodes, edges=edges)


def _drawn(near: Graph, graph: Graph) -> Html:
    if shutil.which("dot") is not None:
        try:
            return el("div", _inline(_svg(near), graph), class_="picture", tabindex="0", role="group",
                      aria_label="Picture of the graph; the sections below say the same in words")  # fmt: skip
        except Refused as error:
            return join(el("p", f"The picture could not be drawn: {words.plain(str(error))}."), _told(near))
    return join(el("p", _WITHOUT), _told(near))


def _svg(near: Graph) -> str:
    with words.in_utc():
        return render_svg(near)


def _told(near: Graph) -> Html:
    with words.in_utc():
        return el("pre", Html(_lines(render_text(near))), tabindex="0")


def _lines(text: str) -> str:
    """Lines that are safe for a terminal, as markup: the line ends are ours."""
    return "\n".join(str(join(line)) for line in text.rstrip("\n").split("\n"))


def _inline(svg: str, graph: Graph) -> Html:
    """What graphviz drew as an element of the page: without the head of a file, as wide as drawn.

    Graphviz has escaped every name; that nothing but shapes and text comes of it is tested.
    """
    body = svg[svg.index("<svg") :]
    label = f"{words.plain(graph.subject)} of this version"
    size = _SIZE.search(body)
    if size is None:
        return Html(body)
    width, height = (round(int(figure) * 4 / 3) for figure in size.groups())
    return Html(_SIZE.sub(f'<svg role="img" aria-label="{label}" width="{width}" height="{height}"', body, count=1))
