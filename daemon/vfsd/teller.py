"""What the kernel reports of some mounts, told to the observer; how long opens are held meanwhile."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence

import structlog

from vfs.journal.observe import Observer
from vfs.journal.procfs import mark_of
from vfsd.group import Group, Report

UNQUEUED = "reports that the kernel could not queue; each may stand for many"
UNREPORTED = "reports that the kernel could not make"
# Opens in a row by processes that were met before, after which they are let go.
_FAMILIAR = 128
_PIDS = 4096

log = structlog.get_logger("vfsd")


class Teller(ABC):
    """Takes reports off the queue of a group. Used by one thread.

    A process that opens a file is held until it is described, as one that lives for a millisecond must be. While
    processes that were met before open one file after another, opens are let go and told afterwards, until one by
    another process is among them or it was `quiet`. Not told of is what this daemon does, and what `entered` does,
    the process that set up a run, and its children before they execute another program.
    """

    def __init__(self, group: Group, observer: Observer, *, entered: int = 0) -> None:
        """Nothing is read before `turn`. `entered`: a process that nothing is told of, 0 for none."""
        self.group = group
        self._observer = observer
        self._silent = {os.getpid(), entered}
        entered_mark = mark_of(entered) if entered else None
        self._entered_stack = entered_mark.stack if entered_mark is not None else 0
        self._met: dict[int, int] = {}
        self._familiar = 0
        # Batches of reports taken so far.
        self.taken = 0

    @abstractmethod
    def tell(self, reports: Iterable[Report], keys: Mapping[int, int]) -> None:
        """Tell the observer; `keys` has those of all who opened something. Nobody waits for it any more."""

    def told(self) -> int:
        """How many batches of reports, the first ones, the observer knows all of; tells it what it now may."""
        return self.taken

    def turn(self) -> None:
        """Take all that was in the queue when it began, at least."""
        left = max(self.group.waiting(), 1)
        while left > 0 and (reports := self._read()):
            left -= len(reports)
            self._take(reports)

    def quiet(self) -> None:
        """Nobody opened anything for a while: opens are held again."""
        if not self.group.holds:
            self._familiar = 0
            self.group.hold()

    def _read(self) -> Sequence[Report]:
        try:
            return self.group.read()
        except OSError as error:
            log.warning("an open could not be reported", cause=str(error))
            return [Report(0, -1, opened=False, closed=False, held=False)]

    def _take(self, reports: Sequence[Report]) -> None:
        self.taken += 1
        try:
            keys = self._described(reports)
            self._get_to_know(keys, [report for report in reports if report.opened and report.fd >= 0])
            self._count_lost(reports)
            self.tell([report for report in reports if report.fd >= 0 and report.pid not in self._silent], keys)
        except Exception:
            self._observer.lose(len(reports), UNREPORTED)
            raise
        finally:
            for report in reports:
                self.group.drop(report)

    def _described(self, reports: Sequence[Report]) -> dict[int, int]:
        """The keys of those who opened something; nobody waits any more."""
        try:
            return self._observer.keys(self._told_of({report.pid for report in reports if report.opened}))
        finally:
            for report in reports:
                if report.held:
                    self.group.go(report)

    def _told_of(self, pids: Collection[int]) -> list[int]:
        return [pid for pid in pids if pid not in self._silent and not self._is_entering(pid)]

    def _is_entering(self, pid: int) -> bool:
        if not self._entered_stack or pid in self._met:
            return False
        mark = mark_of(pid)
        return mark is not None and mark.stack == self._entered_stack

    def _count_lost(self, reports: Iterable[Report]) -> None:
        for report in reports:
            if report.fd < 0:
                self._observer.lose(1, UNQUEUED if report.pid else UNREPORTED)

    def _get_to_know(self, keys: Mapping[int, int], opens: Sequence[Report]) -> None:
        """Hold opens as long as processes are among them that were not met before."""
        known = all(self._met.get(pid) == key for pid, key in keys.items())
        self._familiar = self._familiar + len(opens) if known else 0
        if not known:
            if len(self._met) > _PIDS:
                self._met.clear()
            self._met.update(keys)
        if self.group.holds and opens and self._familiar >= _FAMILIAR:
            self.group.let_go(opens[0])
        elif not known and not self.group.holds:
            self.group.hold()
