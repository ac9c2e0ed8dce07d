"""How long to look again for bytes that are on their way from the disk, before somebody is sent to wait for them."""

from __future__ import annotations

# An SSD has answered by then, and a thread that waits would not have been woken much sooner.
LONGEST = 200e-6
# Misses passed over after many in a row that were in vain: a slow disk costs 3 µs a read.
PASSED_OVER_MAX = 64


class Linger:
    """Follows whether lingering helped: after each time in vain, twice as many misses are not lingered over.

    May be used by several threads: what they do to each other's counts changes a guess and nothing else.
    """

    def __init__(self) -> None:
        self._in_vain = 0
        self._left = 0

    def seconds(self) -> float:
        """For how long to look again after this miss."""
        if self._left > 0:
            self._left -= 1
            return 0.0
        return LONGEST

    def note(self, helped: bool) -> None:
        """What came of lingering."""
        self._in_vain = 0 if helped else self._in_vain + 1
        self._left = 0 if helped else min(1 << min(self._in_vain, 16), PASSED_OVER_MAX)
