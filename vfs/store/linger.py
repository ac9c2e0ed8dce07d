"""How long to look again for bytes that are on their way from the disk, before somebody is sent to wait for them."""

from __future__ import annotations

from collections.abc import Callable

# An SSD has answered by then, and a thread that waits would not have been woken much sooner.
LONGEST = 200e-6
# The same where it is known that nobody else waits meanwhile: a compressed piece of 64 KiB takes that long.
LONGEST_ALONE = 500e-6
# Misses passed over after many in a row that were in vain: a slow disk costs 3 µs a read.
PASSED_OVER_MAX = 64


class Linger:
    """Follows whether lingering helped: after each time in vain, twice as many misses are not lingered over.

    May be used by several threads: what they do to each other's counts changes a guess and nothing else.
    """

    def __init__(self, *, longest: float = LONGEST) -> None:
        """`longest`: seconds."""
        self._longest = longest
        self._others: Callable[[], bool] | None = None
        self._in_vain = 0
        self._left = 0

    def heed(self, others: Callable[[], bool]) -> None:
        """From now on linger for longer, but no longer than `others` says that nobody else waits."""
        self._others = others
        self._longest = LONGEST_ALONE

    def pressed(self) -> bool:
        """Whether somebody else waits."""
        return self._others is not None and self._others()

    def seconds(self) -> float:
        """For how long to look again after this miss."""
        if self._left > 0:
            self._left -= 1
            return 0.0
        return self._longest

    def note(self, helped: bool) -> None:
        """What came of lingering."""
        self._in_vain = 0 if helped else self._in_vain + 1
        self._left = 0 if helped else min(1 << min(self._in_vain, 16), PASSED_OVER_MAX)
