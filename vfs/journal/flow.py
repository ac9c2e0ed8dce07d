"""Between which processes of a run data may have gone: children, programs executed, forks, pipes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from vfs.model.record import Process

# A process, and whether its children count as well.
_Place: TypeAlias = tuple[int, bool]


class ProcessFlow:
    """What the processes of one record could have from one another.

    A process has what its children have, and what those have that it is linked to, with their children. Two links go
    without: that to an ancestor (it was forked from it, or talks to it), whose other children are strangers, and
    from there to the program in whose place the ancestor executed. Processes that are named and not there are left
    out; cycles of parents or links do no harm. Each question costs as much as there are processes and links.
    """

    def __init__(self, processes: Iterable[Process]) -> None:
        self._processes: dict[int, Process] = {}
        for process in processes:
            if process.key > 0:
                self._processes.setdefault(process.key, process)
        self._children: dict[int, list[int]] = {}
        for process in self._processes.values():
            if process.parent in self._processes:
                self._children.setdefault(process.parent, []).append(process.key)
        self._spans = _spans(self._processes, self._children)
        self._takers: dict[_Place, list[_Place]] | None = None

    def __contains__(self, key: int) -> bool:
        return key in self._processes

    def unplaced(self) -> frozenset[int]:
        """Processes of which nothing is known, not even the parent: they may belong to any other."""
        return frozenset(
            key
            for key, process in self._processes.items()
            if process.parent not in self._processes and not process.exe and not process.argv
        )

    def latest(self, last: Mapping[int, int]) -> dict[int, int]:
        """Up to which moment each process gave to some of `last` (process -> its last moment), themselves included."""
        start = [(-at, (key, True)) for key, at in last.items() if key in self]
        found: dict[int, int] = {}
        for (key, _), at in _spread(start, self._givers).items():
            found[key] = max(found.get(key, -at), -at)
        return found

    def earliest(self, first: Mapping[int, int]) -> dict[int, int]:
        """From which moment each process has something of `first` (process -> its first moment)."""
        takers = self._all_takers()
        start = [(at, (key, full)) for key, at in first.items() if key in self for full in (True, False)]
        spread = _spread(start, lambda place: takers.get(place, ()))
        return {key: at for (key, full), at in spread.items() if full}

    def _givers(self, place: _Place) -> list[_Place]:
        key, full = place
        process = self._processes[key]
        found = [(child, True) for child in self._children.get(key, ())] if full else []
        for other in dict.fromkeys(process.linked):
            if other in self._processes:
                same = self._processes[other].pid == process.pid
                found.append((other, full if same else not self._is_above(other, key)))
        return found

    def _is_above(self, other: int, key: int) -> bool:
        first, end = self._spans[other]
        return first <= self._spans[key][0] < end

    def _all_takers(self) -> dict[_Place, list[_Place]]:
        if self._takers is None:
            takers: dict[_Place, list[_Place]] = {}
            for key in self._processes:
                for place in ((key, True), (key, False)):
                    for giver in self._givers(place):
                        takers.setdefault(giver, []).append(place)
            self._takers = takers
        return self._takers


def _spread(start: list[tuple[int, _Place]], onward: Callable[[_Place], Iterable[_Place]]) -> dict[_Place, int]:
    """The smallest moment at which each place is come to from `start`; none is gone on from twice."""
    heapq.heapify(start)
    found: dict[_Place, int] = {}
    while start:
        at, place = heapq.heappop(start)
        if place not in found:
            found[place] = at
            for following in onward(place):
                if following not in found:
                    heapq.heappush(start, (at, following))
    return found


def _spans(processes: Mapping[int, Process], children: Mapping[int, list[int]]) -> dict[int, tuple[int, int]]:
    """For each process its number in a walk over the tree, and the number after its last descendant's."""
    roots = [key for key, process in processes.items() if process.parent not in processes]
    first: dict[int, int] = {}
    end: dict[int, int] = {}
    # Those in a cycle of parents are below no root: each of them is tried as one.
    for root in (*roots, *processes):
        stack = [] if root in first else [(root, False)]
        while stack:
            key, left = stack.pop()
            if left:
                end[key] = len(first)
            elif key not in first:
                first[key] = len(first)
                stack.append((key, True))
                stack.extend((child, False) for child in children.get(key, ()))
    return {key: (first[key], end[key]) for key in first}
