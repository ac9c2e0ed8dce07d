"""A map over threads whose results come in the order of the input."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ordered_map(
    function: Callable[[T], R], items: Iterable[T], *, workers: int, ahead: int
) -> Generator[R, None, None]:
    """`function(item)` for each of `items`, computed by `workers` threads, in input order.

    At most `ahead` items (at least one) are taken from `items`, by the caller's thread, beyond the last
    result given out. An exception of `function`, or of `items`, is raised in its place in the order and
    ends the map. Closing the iterator drops what has not begun and waits for what has.
    """
    source = _Source(items)
    pending: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="vfs-map")
    try:
        while True:
            while len(pending) < max(1, ahead) and source.advance():
                pending.append(pool.submit(function, source.item))
            if not pending:
                break
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    if source.error is not None:
        raise source.error


class _Source(Generic[T]):
    """An iterator that keeps its exception until the results of the items before it were given out."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)
        self._ended = False
        self.item: T
        self.error: Exception | None = None

    def advance(self) -> bool:
        """Take the next item into `item`; False at the end."""
        if self._ended:
            return False
        try:
            self.item = next(self._items)
        except StopIteration:
            self._ended = True
        except Exception as error:
            self._ended, self.error = True, error
        return not self._ended
