"""A lineage graph in the dot language of graphviz."""

from __future__ import annotations

import html
from collections.abc import Iterator

from vfs.journal.graph import Graph
from vfs.journal.render.picture import Arrow, Box, Look, arrows, boxes

# Fill, line, text of the title.
_COLOURS: dict[Look, tuple[str, str, str]] = {
    "commit": ("#eaf2fd", "#3b73c4", "#1c4587"),
    "run": ("#fdf1dc", "#c98a1b", "#7a4f00"),
    "files": ("#f6f6f4", "#a3a29c", "#4a4a46"),
    "lost": ("#fdecea", "#c5362b", "#8c1d14"),
}
_HEAD = """digraph lineage {
  graph [rankdir=TB, bgcolor="white", pad=0.3, nodesep=0.45, ranksep=0.42, fontname="Helvetica,Arial,sans-serif"];
  node [shape=box, style="filled,rounded", margin="0.16,0.10", fontname="Helvetica,Arial,sans-serif", fontsize=11];
  edge [color="#6b6b66", arrowsize=0.7, fontname="Helvetica,Arial,sans-serif", fontsize=9, fontcolor="#6b6b66"];
"""


def render_dot(graph: Graph, *, full: bool = False) -> str:
    """The graph for `dot`; in each box of files the first 5, or all when `full`."""
    lines = [*(_box(box) for box in boxes(graph, full=full)), *(_arrow(arrow) for arrow in arrows(graph))]
    return _HEAD + "".join(f"  {line}\n" for line in lines) + "}\n"


def _box(box: Box) -> str:
    fill, line, _ = _COLOURS[box.look]
    values = {
        "label": f"<{_label(box)}>",
        "fillcolor": _quoted(fill),
        "color": _quoted(line),
        "penwidth": "2.4" if box.root else "1.1",
        "tooltip": _quoted(box.hint),
    }
    if box.look == "files":
        values["style"] = '"filled"'
    if box.look == "lost":
        values["style"] = '"filled,rounded,dashed"'
    return f"{box.name} [{', '.join(f'{key}={value}' for key, value in values.items())}];"


def _label(box: Box) -> str:
    title = _COLOURS[box.look][2]
    rows = [f'<FONT COLOR="{title}"><B>{_markup(box.title)}</B></FONT>']
    rows.extend(f'<FONT POINT-SIZE="9.5" COLOR="#4a4a46">{_markup(line)}</FONT>' for line in box.lines)
    return '<BR ALIGN="LEFT"/>'.join(rows) + '<BR ALIGN="LEFT"/>'


def _arrow(arrow: Arrow) -> str:
    values = []
    if arrow.word:
        values.append(f"label={_quoted(' ' + arrow.word)}")
    if arrow.faint:
        values.append("style=dashed")
    more = f" [{', '.join(values)}]" if values else ""
    return f"{arrow.source} -> {arrow.target}{more};"


def _markup(text: str) -> str:
    """`text` inside an HTML-like label, in which graphviz puts the name of the node for a backslash and an N."""
    return html.escape(text, quote=True).replace("\\", "\\\\") or " "


def _quoted(text: str) -> str:
    """`text` as a quoted string, in which graphviz reads entities, and escapes twice in a row."""
    return '"' + text.replace("&", "&amp;").replace('"', "&quot;").replace("\\", "\\" * 4) + '"'


def colours() -> Iterator[tuple[Look, tuple[str, str, str]]]:
    """Each look with its fill, line and title colour."""
    return iter(_COLOURS.items())
