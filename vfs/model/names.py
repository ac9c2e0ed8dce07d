"""Which names are allowed: file names and paths (bytes), repo, branch and tag names (text)."""

from __future__ import annotations

import re

from vfs.errors import InvalidName, NameTooLong

NAME_MAX = 255
PATH_MAX = 4095
_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}")


def printable(name: bytes) -> str:
    """`name` for a terminal or a message: UTF-8 where it is, the rest and controls escaped."""
    text = name.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def check_name(name: bytes) -> bytes:
    """One file name: not empty, `.` or `..`, no slash, no NUL, at most 255 bytes."""
    if len(name) > NAME_MAX:
        raise NameTooLong(f"{printable(name[:40])}…: name of {len(name)} bytes, 255 allowed")
    if not name or name in (b".", b".."):
        raise InvalidName(f"'{printable(name)}': not a file name")
    if b"/" in name or b"\0" in name:
        raise InvalidName(f"'{printable(name)}': a file name holds no slash and no NUL")
    return name


def check_path(path: bytes) -> bytes:
    """A relative path inside a tree: b"" for the root, else names joined by single slashes."""
    if len(path) > PATH_MAX:
        raise NameTooLong(f"{printable(path[:40])}…: path of {len(path)} bytes, 4095 allowed")
    if path:
        for name in path.split(b"/"):
            check_name(name)
    return path


def clean_path(text: bytes) -> bytes:
    """A path as a user types it: outer and doubled slashes and `.` components dropped, then checked."""
    return check_path(b"/".join(part for part in text.split(b"/") if part not in (b"", b".")))


def is_label(name: str) -> bool:
    """Whether `name` can be that of a repo, a branch or a tag."""
    return _LABEL.fullmatch(name) is not None


def check_label(kind: str, name: str) -> str:
    """A repo, branch or tag name: 1 to 100 letters, digits, `.`, `_`, `-`, `+`; the first a letter, digit or `_`."""
    if not is_label(name):
        raise InvalidName(
            f"{kind} '{printable(name.encode('utf-8', 'surrogateescape'))}': not a name; "
            "letters, digits and . _ - + only, the first a letter, digit or _, at most 100"
        )
    return name
