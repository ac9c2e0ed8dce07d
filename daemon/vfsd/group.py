"""A queue of opens and closes in whole mounts, with a descriptor of each file.

The mounts may be those of another mount namespace.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

from vfsd.events import ADD, CLOSE_WRITE, EVENT, FILESYSTEM, MOUNT, OPEN, OPEN_PERM, REMOVE, Queue

# Each report holds a descriptor until it is dealt with.
_BATCH = 64


class Report(NamedTuple):
    """What a process (thread group) did with a file: `opened` it, `closed` it after it was open for writing, or both.

    `fd` is a descriptor of the file, negative where reports were lost. A process that opened a file waits while it
    is `held`.
    """

    pid: int
    fd: int
    opened: bool
    closed: bool
    held: bool


class Group:
    """One queue of what happens in some mounts. Not thread-safe.

    At first opens are held: who reads the queue says `go` for each, and `drop` for each report. `places` are
    descriptors within the mounts, closed with the group; none for a single file system, whatever its mounts, which
    stays free to be unmounted.
    """

    def __init__(self, places: Sequence[int] = (), *, closes: bool, path: str = "") -> None:
        """Opens, and with `closes` closes after writing. `path`: in the file system that is mounted there.

        OSError where it is not allowed; `places` are closed then as well.
        """
        self.holds = True
        self._places = tuple(places)
        self._closes = CLOSE_WRITE if closes else 0
        self._kind = FILESYSTEM if path else MOUNT
        self._lent = -1
        with ExitStack() as undone:
            undone.callback(self._close_places)
            # There may be fifos in the mounts.
            self._queue = Queue(blocking=False)
            undone.callback(self._queue.close)
            self._mark(ADD, OPEN_PERM | self._closes, path)
            undone.pop_all()

    def let_go(self, report: Report) -> None:
        """Have opens go on at once, and told afterwards, from one after this report; OSError. One may be told twice."""
        if not self._places:
            self._lent = os.dup(report.fd)
        self._mark(ADD, OPEN)
        self._mark(REMOVE, OPEN_PERM)
        self.holds = False

    def hold(self) -> None:
        """Have opens held again; OSError."""
        self._mark(ADD, OPEN_PERM)
        self._mark(REMOVE, OPEN)
        self.holds = True
        if self._lent >= 0:
            os.close(self._lent)
            self._lent = -1

    def _mark(self, change: int, events: int, path: str = "") -> None:
        for where in [path] if path else [f"/proc/self/fd/{fd}" for fd in self._places or (self._lent,)]:
            self._queue.mark(change | self._kind, events, os.fsencode(where))

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._queue.fileno()

    def waiting(self) -> int:
        """How many reports are in the queue."""
        return self._queue.waiting()

    def read(self) -> list[Report]:
        """Up to 64 reports, none when the queue is empty; OSError when one was lost to a failure."""
        try:
            data = os.read(self._queue.fileno(), EVENT.size * _BATCH)
        except BlockingIOError:
            return []
        return [_report(*event) for event in EVENT.iter_unpack(data)]

    def go(self, report: Report) -> None:
        """Let a held open go on."""
        self._queue.allow(report.fd)

    def drop(self, report: Report) -> None:
        """Be done with a report."""
        if report.fd >= 0:
            os.close(report.fd)

    def close(self) -> None:
        """Forget what is in the queue; whoever is held goes on."""
        self._queue.close()
        if self._lent >= 0:
            os.close(self._lent)
        self._close_places()

    def _close_places(self) -> None:
        for fd in self._places:
            os.close(fd)


def place_of(pid: int, path: str) -> int:
    """A descriptor of `path` as the process `pid` sees it; OSError."""
    return os.open(f"/proc/{pid}/root{path}", os.O_PATH | os.O_CLOEXEC)


def _report(_length: int, _version: int, _reserved: int, _size: int, mask: int, fd: int, pid: int) -> Report:
    return Report(pid, fd, bool(mask & (OPEN | OPEN_PERM)), bool(mask & CLOSE_WRITE), bool(mask & OPEN_PERM))
