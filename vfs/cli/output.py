"""Standard output and standard error: lines, tables, JSON documents, complaints.

Everything a command prints goes through here. A terminal gets escaped names and tables by rich; a pipe
gets plain aligned text and the exact bytes of names.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from vfs.cli.names import is_terminal, one_line, safe
from vfs.errors import LocalIOError

Row = Sequence[str]


class ReaderGone(Exception):
    """Whoever read our standard output closed it: not an error, just the end."""


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error
    except OSError as error:
        raise LocalIOError(f"standard output: {error.strerror}") from error


def write(data: bytes | bytearray | memoryview) -> None:
    """Bytes, as they are."""
    with _writing():
        sys.stdout.buffer.write(data)


def line(text: str = "") -> None:
    """One line. Surrogates in `text` (undecodable bytes of names) become those bytes again."""
    write(text.encode("utf-8", "surrogateescape") + b"\n")


def document(value: object) -> None:
    """One JSON document, indented."""
    line(json.dumps(value, ensure_ascii=False, indent=2))


def array(items: Iterable[object]) -> None:
    """One JSON array, an item a line; `items` may be endless, nothing is held."""
    opened = False
    for item in items:
        write(b",\n " if opened else b"[\n ")
        write(json.dumps(item, ensure_ascii=False).encode())
        opened = True
    write(b"\n]\n" if opened else b"[]\n")


def table(columns: Sequence[str], rows: Iterable[Row], *, right: Sequence[str] = ()) -> None:
    """Rows under headings; `right` names the columns that hold figures. Nothing at all for no rows.

    A cell is one line whatever it holds, on a terminal and in a pipe.
    """
    held = [[one_line(text) for text in row] for row in rows]
    if not held:
        return
    if is_terminal():
        _rich_table(columns, held, right)
    else:
        _plain_table(columns, held, right)


def _plain_table(columns: Sequence[str], rows: list[list[str]], right: Sequence[str]) -> None:
    widths = [max(len(row[at]) for row in [list(columns), *rows]) for at in range(len(columns))]
    for row in [[name.upper() for name in columns], *rows]:
        cells = [
            text.rjust(width) if name in right else text.ljust(width)
            for name, text, width in zip(columns, row, widths, strict=True)
        ]
        line("  ".join(cells).rstrip(" "))


def _rich_table(columns: Sequence[str], rows: list[list[str]], right: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        shown.add_column(name.upper(), justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(text) for text in row))
    flush()
    with _writing():
        Console(highlight=False).print(shown)


def fields(pairs: Iterable[tuple[str, str]]) -> None:
    """Names and values, one pair a line, values aligned; pairs without a value are left out."""
    held = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in held), default=0)
    for name, value in held:
        line(f"{name.ljust(width)}  {safe(value)}")


def flush() -> None:
    """Hand everything written so far to the system."""
    with _writing():
        sys.stdout.flush()


def abandon() -> None:
    """Point standard output at nothing, so that what is still buffered cannot fail at exit."""
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())


def note(text: str) -> None:
    """One line on standard error that is no error."""
    _say(text)


def warn(text: str) -> None:
    """One warning on standard error."""
    _say(f"vfs: warning: {text}")


def complain(text: str) -> None:
    """One error on standard error."""
    _say(f"vfs: {text}")


def _say(text: str) -> None:
    try:
        sys.stderr.write(one_line(text) + "\n")
        sys.stderr.flush()
    except OSError:
        # Nobody listens; the exit code still tells.
        return
