"""The table as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict

from bench.results import Row


def text(rows: list[Row], machine: dict[str, str]) -> str:
    """The table for a terminal and for the documentation."""
    lines = ["; ".join(f"{key} {value}" for key, value in machine.items()), ""]
    for part in dict.fromkeys(row.part for row in rows):
        lines += _part(part, [row for row in rows if row.part == part])
    return "\n".join(lines)


def _part(part: str, rows: list[Row]) -> list[str]:
    peers = list(dict.fromkeys(name for row in rows for name in row.peers))
    head = [part, "figure", "bar", "", "n", *peers, ""]
    body = [
        [
            row.title,
            figure(row),
            str(row.bar or ""),
            row.verdict,
            str(row.repeats or ""),
            *(f"{row.peers[name]:.2f}" if name in row.peers else "-" for name in peers),
            row.note,
        ]
        for row in rows
    ]
    return [*_aligned([head, *body]), *_missing(rows), ""]


def figure(row: Row) -> str:
    """The figure with its unit."""
    if row.figure is None:
        return "-"
    return f"{row.figure:.2f} {row.unit}" if row.figure < 100 else f"{row.figure:.0f} {row.unit}"


def _aligned(table: list[list[str]]) -> list[str]:
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]


def _missing(rows: list[Row]) -> list[str]:
    said = dict.fromkeys(f"{name}: {reason}" for row in rows for name, reason in row.absent.items())
    return [line for each in said for line in textwrap.wrap(f"not run: {each}", 160, subsequent_indent="  ")]


def as_json(rows: list[Row], machine: dict[str, str]) -> str:
    """All there is, with each repeat in seconds."""
    return json.dumps(
        {"machine": machine, "rows": [{**asdict(row), "verdict": row.verdict} for row in rows]},
        indent=1,
        ensure_ascii=False,
    )
