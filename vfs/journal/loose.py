"""Pipes between processes, and a guess where data comes from in a pipe whose writer nobody described."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

# Processes and pipes remembered: what is forgotten is linked to nothing that is described later.
REMEMBERED = 65_536
# Writers that are looked at, the last ones, and that are taken for the sources of one pipe.
_LOOKED_AT = 4096
_SOURCES_MAX = 256
_CHAIN = 32
# Starts of processes are known to a clock tick.
_TICK_NS = 20_000_000
K = TypeVar("K")
V = TypeVar("V")


class Loose:
    """Who reads and who writes which pipe. Not thread-safe.

    A process that opens nothing of a mount is not described, and may yet pass data on: `cat FILE | tr a b | tee OUT`.
    So a pipe whose writer is not known may have its data from anyone who writes into a pipe that nobody known reads,
    and lived while it was read. The nearest of those are taken, by their common ancestor; if there are none, the parent
    of the reader. That an ancestor has an end says nothing: a shell has them all for a moment.
    """

    def __init__(self, above: Mapping[int, tuple[int, int]]) -> None:
        """`above`: number and key of the parent of each process, by key."""
        self._above = above
        self._readers: dict[bytes, set[int]] = {}
        self._writers: dict[bytes, set[int]] = {}
        self._reading: dict[int, set[bytes]] = {}
        self._writing: dict[int, set[bytes]] = {}
        self._answered: dict[bytes, None] = {}
        self._began: dict[int, int] = {}
        self._ended: dict[int, int] = {}

    def begin(self, key: int, started_ns: int) -> None:
        """A process is there, since `started_ns`."""
        keep(self._began, key, started_ns)

    def reads(self, key: int, pipe: bytes, *, sure: bool) -> bool:
        """A process reads this; whether that is new. `sure`: it must come from somewhere."""
        return _noted(self._readers, self._reading, pipe, key, sure=sure)

    def writes(self, key: int, pipe: bytes, *, sure: bool) -> bool:
        """A process writes this; whether that is new. `sure`: it must go somewhere."""
        return _noted(self._writers, self._writing, pipe, key, sure=sure)

    def answer(self, key: int) -> None:
        """Take it that what this process has open has its other ends where nobody needs to be linked to."""
        for pipe in (*self._reading.get(key, ()), *self._writing.get(key, ())):
            keep(self._answered, pipe, None)

    def is_loose(self, key: int) -> bool:
        """Whether nobody is known to have the other end of something that this process has open."""
        return bool(self._unfed(key)) or self._is_unread(key)

    def readers(self, pipe: bytes) -> Iterable[int]:
        """Who reads this."""
        return self._readers.get(pipe, ())

    def writers(self, pipe: bytes) -> Iterable[int]:
        """Who writes this."""
        return self._writers.get(pipe, ())

    def settle(self, ended: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Where data came from to processes that have ended at these times: (key, key of a source)."""
        ended = list(ended)
        for key, time_ns in ended:
            keep(self._ended, key, time_ns)
        for key, _ in ended:
            if key in self._reading:
                yield from self._guessed(key)
                del self._reading[key]

    def settle_all(self) -> Iterator[tuple[int, int]]:
        """As `settle`, for all others."""
        for key in list(self._reading):
            yield from self._guessed(key)

    def _guessed(self, key: int) -> Iterator[tuple[int, int]]:
        loose = self._unfed(key)
        if loose:
            since = min(self._began.get(reader, 0) for pipe in loose for reader in self._readers.get(pipe, (key,)))
            for source in self._nearest(key, self._unread(key, since)) or [self._above.get(key, (0, 0))[1]]:
                yield key, source

    def _unread(self, key: int, since: int) -> list[int]:
        """Who writes into pipes that nobody known reads, and lived between that time and the end of a reader."""
        end = self._ended.get(key)
        return [
            writer
            for writer in islice(reversed(self._writing), _LOOKED_AT)
            if writer != key
            and self._ended.get(writer, since) >= since - _TICK_NS
            and (end is None or self._began.get(writer, 0) <= end)
            and self._is_unread(writer)
        ]

    def _unfed(self, key: int) -> list[bytes]:
        return [pipe for pipe in self._reading.get(key, ()) if not self._has_other(self._writers, pipe, key)]

    def _is_unread(self, key: int) -> bool:
        return any(not self._has_other(self._readers, pipe, key) for pipe in self._writing.get(key, ()))

    def _has_other(self, who: Mapping[bytes, set[int]], pipe: bytes, key: int) -> bool:
        return pipe in self._answered or bool(who.get(pipe, set()) - {key, *self._ancestors(key)})

    def _nearest(self, key: int, writers: list[int]) -> list[int]:
        around = {writer: set(self._ancestors(writer)) for writer in writers}
        for above in self._ancestors(key):
            near = [writer for writer in writers if above in around[writer]]
            if near:
                return near[:_SOURCES_MAX]
        return []

    def _ancestors(self, key: int) -> Iterator[int]:
        for _ in range(_CHAIN):
            key = self._above.get(key, (0, 0))[1]
            if not key:
                return
            yield key


def _noted(who: dict[bytes, set[int]], what: dict[int, set[bytes]], pipe: bytes, key: int, *, sure: bool) -> bool:
    if pipe not in who:
        keep(who, pipe, set())
    if key in who[pipe]:
        return False
    who[pipe].add(key)
    if sure:
        if key not in what:
            keep(what, key, set())
        what[key].add(pipe)
    return True


def keep(table: dict[K, V], key: K, value: V) -> None:
    """Put in; where that is too much, the oldest half goes."""
    if len(table) >= REMEMBERED:
        for old in list(table)[: REMEMBERED // 2]:
            del table[old]
    table[key] = value
