"""Reads the command blocks of a documentation page.

A block fenced as `console` holds what a terminal shows: `$ command`, lines that continue it after
`> `, then what it prints. A block fenced as `sh` holds commands alone. In printed lines `…` stands
for anything, also for several lines. `$ command  # exits 3` names the exit status to expect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```(\w*)\s*$")
_STATUS = re.compile(r"\s+# exits (\d+)$")


@dataclass(frozen=True)
class Step:
    """One command of a page, its line there, its exit status and, where shown, what it prints."""

    line: int
    command: str
    status: int
    printed: str | None

    def prints(self, output: str) -> bool:
        """Whether the output is the one the page shows."""
        if self.printed is None:
            return True
        pattern = re.escape(self.printed.strip("\n")).replace("…", ".*")
        return re.fullmatch(pattern, output.strip("\n"), re.DOTALL) is not None


def blocks(text: str) -> list[tuple[str, int, list[str]]]:
    """Every fenced block: its language, the number of its first line, its lines."""
    found: list[tuple[str, int, list[str]]] = []
    language: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if language is None and line.startswith("```"):
            language = fence[1] if fence else "?"
            found.append((language, number + 1, []))
        elif line.startswith("```"):
            language = None
        elif language is not None:
            found[-1][2].append(line)
    return found


def steps(text: str) -> list[Step]:
    """The commands of a page in the order in which a reader types them."""
    found: list[Step] = []
    for language, first, lines in blocks(text):
        if language == "console":
            found.extend(_console(first, lines))
        elif language in ("sh", "bash", "shell"):
            found.extend(_step(first, "\n".join(lines), None) for lines in [lines] if any(lines))
    return found


def _console(first: int, lines: list[str]) -> list[Step]:
    found: list[tuple[int, list[str], list[str]]] = []
    for number, line in enumerate(lines, first):
        if line.startswith("$ "):
            found.append((number, [line[2:]], []))
        elif not found:
            raise ValueError(f"line {number}: output before any command")
        elif line.startswith("> ") and not found[-1][2]:
            found[-1][1].append(line[2:])
        else:
            found[-1][2].append(line)
    return [_step(number, "\n".join(words), "\n".join(shown) or None) for number, words, shown in found]


def _step(line: int, command: str, printed: str | None) -> Step:
    status = _STATUS.search(command)
    return Step(line, _STATUS.sub("", command), int(status[1]) if status else 0, printed)
