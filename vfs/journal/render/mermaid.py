"""A lineage graph as a mermaid flowchart, which many web pages draw."""

from __future__ import annotations

from vfs.journal.graph import Graph
from vfs.journal.render.dot import colours
from vfs.journal.render.picture import Arrow, Box, Look, arrows, boxes

_SHAPES: dict[Look, tuple[str, str]] = {
    "commit": ("(", ")"),
    "run": ("([", "])"),
    "files": ("[", "]"),
    "lost": ("(", ")"),
}
# What has a meaning in a quoted label, a markdown label, or the HTML it is put into; `%`, as `%%{…}%%` sets options
# wherever it stands. `#` names the others.
_CODES = {char: f"#{ord(char)};" for char in '#%&<>"`\\;'}


def render_mermaid(graph: Graph, *, full: bool = False) -> str:
    """The graph for mermaid; in each box of files the first 5, or all when `full`."""
    lines = ["flowchart TB"]
    lines.extend(_box(box) for box in boxes(graph, full=full))
    lines.extend(_arrow(arrow) for arrow in arrows(graph))
    lines.extend(f"classDef {look} fill:{fill},stroke:{line},color:{text}" for look, (fill, line, text) in colours())
    lines.append("classDef root stroke-width:3px")
    return "\n  ".join(lines) + "\n"


def _box(box: Box) -> str:
    start, end = _SHAPES[box.look]
    text = "<br/>".join([f"<b>{_safe(box.title)}</b>", *(_safe(line) for line in box.lines)])
    return f'{box.name}{start}"{text}"{end}:::{box.look}' + (f"\n  class {box.name} root" if box.root else "")


def _arrow(arrow: Arrow) -> str:
    line = "-.->" if arrow.faint else "-->"
    word = f'|"{_safe(arrow.word)}"|' if arrow.word else ""
    return f"{arrow.source} {line}{word} {arrow.target}"


def _safe(text: str) -> str:
    return "".join(_CODES.get(char, char) for char in text)
