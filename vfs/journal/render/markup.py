"""Elements of an HTML page. Text is escaped where it becomes markup, so no caller can forget to."""

from __future__ import annotations

import html
from typing import TypeAlias

from vfs.journal.render import words
from vfs.model.names import printable


class Html(str):
    """Markup that is safe as it stands: made by this module, or by something that escapes as well."""

    __slots__ = ()


Child: TypeAlias = "str | bytes | Html"
_EMPTY = frozenset({"meta", "hr", "br"})


def el(tag: str, *children: Child, **attributes: str) -> Html:
    """An element; names of attributes with `_` for `-`, and `class_` for `class`."""
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(words.plain(value), quote=True)}"'
        for name, value in attributes.items()
        if value
    )
    return Html(f"<{tag}{named}>" + ("" if tag in _EMPTY else join(*children) + f"</{tag}>"))


def join(*children: Child) -> Html:
    """Children one after the other."""
    return Html("".join(escaped(child) for child in children))


def escaped(child: Child) -> Html:
    """A name, a text (control characters made visible) or markup, as markup."""
    if isinstance(child, Html):
        return child
    text = printable(child) if isinstance(child, bytes) else words.plain(child)
    return Html(html.escape(text, quote=True))


def listed(*items: Child) -> Html:
    """A list of points."""
    return el("ul", *(el("li", item) for item in items))


def facts(*pairs: tuple[str, Child]) -> Html:
    """Names and values; pairs without a value are left out."""
    return el("dl", *(el("div", el("dt", name), el("dd", value)) for name, value in pairs if value))


def table(caption: str, heads: tuple[str, ...], rows: list[tuple[Child, ...]], *, code: tuple[int, ...] = ()) -> Html:
    """A table with a caption; the first cell of a row is its heading. Columns of `code` are set as such.

    Each cell carries the name of its column, for screens too narrow for columns.
    """
    head = el("thead", el("tr", *(el("th", name, scope="col") for name in heads)))
    body = el("tbody", *(el("tr", *_cells(heads, row, code)) for row in rows))
    return el("table", el("caption", caption), head, body)


def _cells(heads: tuple[str, ...], row: tuple[Child, ...], code: tuple[int, ...]) -> list[Html]:
    made = []
    for place, (head, cell) in enumerate(zip(heads, row, strict=True)):
        shown = el("code", cell) if place in code and cell else escaped(cell)
        made.append(el("th", shown, scope="row") if place == 0 else el("td", shown, data_column=head))
    return made


def section(id: str, title: str, *children: Child) -> Html:
    """A part of the page with its heading."""
    return el("section", el("h2", title, id=id), *children, aria_labelledby=id)
