"""Brings what a pattern guessed: few large requests in threads of their own, within a budget of memory."""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from vfs.content.prefetch.limit import AdaptiveLimit
from vfs.content.prefetch.pattern import MIB, Pattern
from vfs.errors import VfsError
from vfs.metrics.counters import Counter
from vfs.model.entry import BlobRef, Entry

Then = Callable[[Sequence[BlobRef]], None]
# One request: large enough to be cheap per byte, small enough that its first chunk is not long in coming.
REQUEST = 8 * MIB
# The longest window of one stream: 20 ms of latency at 1 GB/s are 20 MB, three times over.
WINDOW_MAX = 64 * MIB
# Requests at once to begin with; the number of threads is the most.
FIRST_REQUESTS = 4
# Files whose reads are remembered.
FILES = 256


class Reader(Protocol):
    """What the prefetcher needs of a reader of files."""

    def refs(self, entry: Entry, start: int, end: int) -> Iterable[BlobRef]:
        """The chunks, without holes, that hold the bytes `start` to `end`; may wait for list pages."""


class Source(Protocol):
    """Where chunks are brought into memory."""

    def load(self, refs: Sequence[BlobRef]) -> int:
        """Have the chunks in memory; the bytes that were not there."""


class Small(NamedTuple):
    """How small files are brought: bytes of one request, and how many requests at once."""

    request: int
    at_once: int


class Prefetcher:
    """Patterns by file, and threads that follow them.

    `note` belongs to one thread, the event loop of a mount, and never waits. What is on its way is bounded by
    `budget` bytes: guesses beyond it are dropped, the reader then fetches for itself. What was brought is
    added to `counter`. Threads are daemonic: one that hangs in the store keeps nothing alive. Errors go to
    `failed` and end there: the reader meets them again by itself, with its own deadline.
    """

    def __init__(
        self,
        reader: Reader,
        source: Source,
        *,
        threads: int,
        budget: int,
        small: Small | None = None,
        failed: Callable[[VfsError], None],
        counter: Counter | None = None,
    ) -> None:
        self._reader, self._source, self._failed = reader, source, failed
        self._counter = counter or Counter()
        self._budget = budget
        self._small = small or Small(REQUEST, threads)
        self._turns = threading.Semaphore(self._small.at_once)
        self._limit = AdaptiveLimit(first=FIRST_REQUESTS, most=threads)
        self._patterns: OrderedDict[Hashable, Pattern] = OrderedDict()
        self._queue: queue.SimpleQueue[tuple[Callable[[], None], int] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._coming = 0
        self._threads = threads
        for number in range(threads):
            threading.Thread(target=self._work, name=f"prefetch-{number}", daemon=True).start()

    def note(self, file: Hashable, entry: Entry, offset: int, length: int, *, waited: bool) -> None:
        """A program read `length` bytes at `offset`; `waited` when they had to be fetched first."""
        pattern = self._patterns.get(file)
        if pattern is None:
            pattern = self._patterns[file] = Pattern()
            if len(self._patterns) > FILES:
                self._patterns.popitem(last=False)
        self._patterns.move_to_end(file)
        limit = min(WINDOW_MAX, self._budget // 2)
        for start, end in pattern.note(offset, length, entry.size, waited=waited, limit=limit):
            self._submit(partial(self._plan, entry, start, end), 0)

    def submit(self, work: Callable[[], None]) -> None:
        """Let a thread do `work`: find out what to fetch where that may wait."""
        self._submit(work, 0)

    def fetch(
        self, refs: Sequence[BlobRef], then: Then | None = None, *, ended: Callable[[], object] | None = None
    ) -> None:
        """Bring small files that somebody else guessed; `then` is given those of each request once they are there.

        `ended` is called, by any thread, when none of them is on its way any more, be it that it failed.
        """
        groups = list(requests(refs, self._small.request))
        count = _Count(len(groups), ended or _nothing_more)
        for group in groups:
            self._submit_group(group, then or _nothing, count.down)

    def close(self) -> None:
        """Let the threads end; what waits is dropped."""
        for _ in range(self._threads):
            self._queue.put(None)

    def _plan(self, entry: Entry, start: int, end: int) -> None:
        for group in requests(self._reader.refs(entry, start, end), REQUEST):
            self._submit_group(group, None, _nothing_more)

    def _submit_group(self, group: list[BlobRef], then: Then | None, ended: Callable[[], object]) -> None:
        size = sum(ref.length for ref in group)
        with self._lock:
            full = self._coming + size > self._budget
        if full:
            ended()
            return
        load = partial(self._load, group) if then is None else partial(self._load_small, group, then, ended)
        self._submit(load, size)

    def _submit(self, work: Callable[[], None], size: int) -> None:
        with self._lock:
            self._coming += size
        self._queue.put((work, size))

    def _load(self, group: list[BlobRef]) -> None:
        with self._limit.request():
            self._counter.add(self._source.load(group))

    def _load_small(self, group: list[BlobRef], then: Then, ended: Callable[[], object]) -> None:
        try:
            with self._turns:
                self._load(group)
            then(group)
        finally:
            ended()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            work, size = item
            try:
                work()
            except VfsError as error:
                self._failed(error)
            finally:
                with self._lock:
                    self._coming -= size


class _Count:
    """Counts down to what happens at the end, at once where there is nothing to count; `_lock` guards the number."""

    def __init__(self, left: int, ended: Callable[[], object]) -> None:
        self._left = left
        self._ended = ended
        self._lock = threading.Lock()
        if not left:
            ended()

    def down(self) -> None:
        with self._lock:
            self._left -= 1
            last = self._left == 0
        if last:
            self._ended()


def _nothing_more() -> None:
    """Nobody asks when it has ended."""


def _nothing(refs: Sequence[BlobRef]) -> None:
    """Nobody waits for these."""


def requests(refs: Iterable[BlobRef], most: int = REQUEST) -> Iterator[list[BlobRef]]:
    """`refs` in groups of up to `most` bytes that are neighbours in one pack."""
    group: list[BlobRef] = []
    size = 0
    for ref in refs:
        if group and (ref.pack != group[-1].pack or size + ref.stored > most):
            yield group
            group, size = [], 0
        group.append(ref)
        size += ref.stored
    if group:
        yield group
