"""Many objects of a store, read at once where each answer takes a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from vfs.concurrency.pool import ordered_map
from vfs.repo.library import Library

# Small objects, of which the latency counts: so many are asked for ahead of the one looked at.
AHEAD = 64
WORKERS = 16
T = TypeVar("T")
R = TypeVar("R")


def is_far(library: Library) -> bool:
    """Whether the store is elsewhere. On local disk a thread costs more than it saves."""
    return not library.store.url.startswith("file:")


def fetched(library: Library, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """`function(item)` for each of `items`, in their order; by many threads when the store is far."""
    return ordered_map(function, items, workers=WORKERS, ahead=AHEAD) if is_far(library) else map(function, items)
