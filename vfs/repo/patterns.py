"""Patterns of paths as gitignore has them, compiled and asked; the syntax is that of the pathspec library.

Lines may come from a commit that somebody else made, so their number, length and cost are bounded: a pattern
becomes a regular expression, and each `*` in it multiplies what a name may cost.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vfs.errors import UsageError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

PATTERNS_MAX = 2000
_LENGTH_MAX = 1000
_STARS_MAX = 6
_STARS = re.compile(r"\*+")


class Patterns:
    """Some patterns, the last that matches counting; all relative to one directory."""

    def __init__(self, lines: Sequence[str], *, where: str) -> None:
        """`where` they were written, for messages: UsageError for a line that is no pattern or costs too much."""
        self._spec = _compiled(lines, where)

    def says(self, path: bytes, *, directory: bool) -> bool | None:
        """True when they match `path` or a directory above it, False when `!` takes it out, None for no word of it."""
        return self._spec.check_file(os.fsdecode(path) + ("/" if directory else "")).include


def _compiled(lines: Sequence[str], where: str) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    if len(lines) > PATTERNS_MAX:
        raise UsageError(f"{where}: {len(lines)} patterns, at most {PATTERNS_MAX} are read")
    for number, line in enumerate(lines, 1):
        _check(line, f"{where}, line {number}" if len(lines) > 1 else where)
    return GitIgnoreSpec.from_lines(lines)


def _check(line: str, where: str) -> None:
    from pathspec import GitIgnoreSpec

    shown = ascii(line[:80])
    if len(line) > _LENGTH_MAX:
        raise UsageError(f"{where}: a pattern of {len(line)} characters, at most {_LENGTH_MAX} are read")
    if len(_STARS.findall(line)) > _STARS_MAX and not line.startswith("#"):
        raise UsageError(f"{where}: {shown}: more than {_STARS_MAX} wildcards in one pattern")
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError as error:
        raise UsageError(f"{where}: {shown}: not a pattern") from error
