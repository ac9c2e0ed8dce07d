"""Measured values and what they are held against."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bar:
    """A limit: the figure is at most `limit`, or at least when `least`."""

    limit: float
    least: bool = False
    unit: str = "x"

    def met(self, figure: float) -> bool:
        """Whether the figure keeps to the limit."""
        return figure >= self.limit if self.least else figure <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.least else '≤'} {self.limit:g} {self.unit}"


@dataclass(frozen=True)
class Sample:
    """Repeats of one measurement of one system, in seconds, or why there are none."""

    seconds: tuple[float, ...] = ()
    reason: str = ""
    load: float = 0.0

    @property
    def median(self) -> float:
        """Seconds, the middle one."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure of vfs, what it is a ratio to, the same ratio of each peer."""

    part: str
    name: str
    title: str
    yardstick: str
    figure: float | None
    unit: str = "x"
    bar: Bar | None = None
    repeats: int = 0
    note: str = ""
    peers: dict[str, float] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    raw: dict[str, list[float]] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """What became of the bar."""
        if self.figure is None:
            return "not run"
        if self.bar is None:
            return "stated"
        if self.bar.met(self.figure):
            return "met"
        if not self.bar.limit or not self.figure:
            return "MISSED"
        share = self.bar.limit / self.figure if self.bar.least else self.figure / self.bar.limit
        return f"MISSED by {share:.3g}x"
