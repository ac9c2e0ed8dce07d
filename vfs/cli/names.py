"""How file names and paths look.

A terminal gets them escaped (`\\xff`, `\\n`), so that no name can move the cursor or look like two. A pipe
gets the exact bytes. JSON gets a string under `path` or `name`, undecodable bytes shown as U+FFFD; when
there are such bytes, `path_b64` or `name_b64` beside it holds the exact bytes in base64.
"""

from __future__ import annotations

import base64
import sys


def is_terminal() -> bool:
    """True when standard output is a terminal."""
    return sys.stdout.isatty()


def one_line(text: str) -> str:
    """`text` without anything that would break a line or steer a terminal."""
    plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in plain)


def safe(text: str) -> str:
    """`text` for standard output: escaped for a terminal, as it is for a pipe."""
    return one_line(text) if is_terminal() else text


def shown(name: bytes) -> str:
    """`name` for standard output: escaped for a terminal, exact (surrogates for bytes) for a pipe."""
    return safe(name.decode("utf-8", "surrogateescape"))


def first_line(text: str) -> str:
    """The first line of a message, escaped: for tables and lists."""
    return one_line(text.strip().partition("\n")[0])


def named(key: str, name: bytes) -> dict[str, str]:
    """`name` as members of a JSON object: `key`, and `key_b64` when it is not UTF-8."""
    try:
        return {key: name.decode("utf-8")}
    except UnicodeDecodeError:
        return {key: name.decode("utf-8", "replace"), f"{key}_b64": base64.b64encode(name).decode("ascii")}


def raw(word: str) -> bytes:
    """A word of the command line as the bytes the user typed."""
    return word.encode("utf-8", "surrogateescape")
