"""The table as a picture: one line a workload, one mark a file system, on a logarithmic scale."""

from __future__ import annotations

import math
import textwrap
from xml.sax.saxutils import escape

from bench.results import Row

LEFT, WIDTH, LINE, TOP = 390, 560, 22, 110
LOWEST, HIGHEST = 0.1, 100.0
COLOURS = {
    "vfs": "#c2410c",
    "squashfuse": "#2563eb",
    "fuse-overlayfs": "#0891b2",
    "rclone": "#7c3aed",
    "restic": "#65a30d",
    "borg": "#a16207",
}


def picture(rows: list[Row], about: str) -> str:
    """An SVG of the local part; ext4 is the line at 1, a bar's limit a short black stroke."""
    shown = [row for row in rows if row.part == "local" and row.yardstick == "ext4" and row.raw.get("vfs")]
    height = TOP + LINE * len(shown) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 30} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{LEFT + WIDTH + 30}" height="{height}" fill="white"/>',
        _text(16, 24, "Time as a multiple of ext4 on the same disk (less is better)", extra='font-size="16"'),
        *_about(about),
        *_legend(),
        *_scale(height - 30),
    ]
    for number, row in enumerate(shown):
        parts += _line(row, TOP + LINE * number + LINE // 2)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _at(ratio: float) -> float:
    inside = min(max(ratio, LOWEST), HIGHEST)
    return LEFT + WIDTH * (math.log10(inside) - math.log10(LOWEST)) / (math.log10(HIGHEST) - math.log10(LOWEST))


def _text(x: float, y: float, words: str, *, extra: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" {extra}>{escape(words)}</text>'


def _about(about: str) -> list[str]:
    lines = textwrap.wrap(about, 150)[:2]
    return [_text(16, 44 + 15 * number, line, extra='fill="#666" font-size="11"') for number, line in enumerate(lines)]


def _legend() -> list[str]:
    found, x = [], 16.0
    for name, colour in COLOURS.items():
        found.append(f'<circle cx="{x + 5:.0f}" cy="82" r="5" fill="{colour}"/>')
        found.append(_text(x + 15, 86, name))
        x += 40 + 7.5 * len(name)
    found.append(f'<path d="M{x + 5:.0f} 75v14" stroke="black" stroke-width="3"/>')
    return [*found, _text(x + 15, 86, "bar of vfs")]


def _scale(bottom: float) -> list[str]:
    found = []
    for ratio in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100):
        strong = 'stroke="#444" stroke-width="1.5"' if ratio == 1 else 'stroke="#ddd"'
        found.append(f'<path d="M{_at(ratio):.1f} {TOP - 6}V{bottom:.0f}" {strong}/>')
        found.append(_text(_at(ratio), bottom + 16, f"{ratio:g}x", extra='text-anchor="middle" fill="#444"'))
    return found


def _line(row: Row, y: float) -> list[str]:
    ratios = {name: value for name, value in row.peers.items() if name in COLOURS}
    own = _median(row.raw["vfs"]) / _median(row.raw["local"])
    found = [_text(LEFT - 10, y + 4, row.title, extra='text-anchor="end"')]
    if row.bar and row.bar.unit == "x":
        found.append(f'<path d="M{_at(row.bar.limit):.1f} {y - 8:.0f}v16" stroke="black" stroke-width="3"/>')
    for name, value in [*ratios.items(), ("vfs", own)]:
        radius = 6 if name == "vfs" else 4.5
        found.append(
            f'<circle cx="{_at(value):.1f}" cy="{y:.0f}" r="{radius}" fill="{COLOURS[name]}" fill-opacity="0.85">'
            f"<title>{escape(f'{name} {value:.2f}x')}</title></circle>"
        )
    return found


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
