"""How long an operation may still take."""

from __future__ import annotations

import time
from collections.abc import Callable

from vfs.errors import StoreTimeout


class Deadline:
    """A point in time on a clock that never runs back. Immutable, so any thread may ask."""

    __slots__ = ("_clock", "_end", "seconds")

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`seconds` from now; `clock` is replaced by tests."""
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Seconds that remain, 0.0 when there are none."""
        return max(0.0, self._end - self._clock())

    @property
    def passed(self) -> bool:
        """True when no time remains."""
        return self.left() == 0.0

    def bound(self, seconds: float) -> float:
        """`seconds`, or what remains when that is less."""
        return min(seconds, self.left())

    def check(self, subject: str) -> None:
        """StoreTimeout naming `subject` when no time remains."""
        if self.passed:
            raise StoreTimeout(f"{subject}: no answer within {self.seconds:g} s")
