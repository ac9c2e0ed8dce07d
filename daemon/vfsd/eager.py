"""After an answer the next request is looked for without sleep, for a moment: who reads on asks it within microseconds.

A thread that sleeps is woken on another processor: 20 µs in a virtual machine, of the 90 that a small request takes.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import trio

from vfs.store.linger import Linger
from vfsd.threads import Threads

# A reader that does next to nothing with what it was given has asked by then.
MOMENT = 100e-6
ONE_PROCESSOR = "one processor, which the readers need"


class Eager(trio.abc.Instrument):
    """Looks before the event loop sleeps, which it does not once there is a request. Belongs to the event loop.

    `answered` is set by whoever answers. Nobody looks while threads work: their outcome would wait. Where looking is in
    vain it is done less and less.
    """

    def __init__(self, look: Callable[[int], bool], threads: Threads) -> None:
        """`look(ns)`: whether a request comes within so many nanoseconds."""
        self.answered = False
        self._look = look
        self._threads = threads
        self._linger = Linger(longest=MOMENT)

    def before_io_wait(self, timeout: float) -> None:
        """The event loop has nothing to do for `timeout` seconds."""
        if not self.answered or timeout <= 0 or self._threads.waiting:
            return
        self.answered = False
        seconds = self._linger.seconds()
        if seconds:
            self._linger.note(self._look(int(seconds * 1e9)))


def why_not() -> str:
    """Why nobody should look without sleep here; empty where it is of use."""
    return "" if len(os.sched_getaffinity(0)) > 1 else ONE_PROCESSOR
