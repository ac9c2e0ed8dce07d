"""A cache bounded in bytes that drops what was used longest ago."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


# The share of the limit up to which dear values stay when others have to go.
DEAR_SHARE = 0.5


class _Held(Generic[V]):
    """A value, its size, and when it was used last."""

    __slots__ = ("size", "used", "value")

    def __init__(self, value: V, size: int, used: int) -> None:
        self.value, self.size, self.used = value, size, used


class ByteLRU(Generic[K, V]):
    """Values with a size in bytes each. Thread-safe.

    Dear values, which cost more than a read to have again, outlive others as long as they take no more than half of
    the limit. Invariant: the sizes of what is held sum to `size`, at most `limit`; a value larger than that is not
    kept. Both orders are by last use, the oldest first. `_lock` guards all of it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._cheap: OrderedDict[K, _Held[V]] = OrderedDict()
        self._dear: OrderedDict[K, _Held[V]] = OrderedDict()
        self._dear_size = 0
        self._uses = 0
        self.size = 0

    def get(self, key: K) -> V | None:
        """The value under `key`, now the most recently used; None when it is not held."""
        with self._lock:
            order = self._cheap
            held = order.get(key)
            if held is None:
                order = self._dear
                held = order.get(key)
                if held is None:
                    return None
            order.move_to_end(key)
            self._uses += 1
            held.used = self._uses
            return held.value

    def put(self, key: K, value: V, size: int, *, dear: bool = False) -> None:
        """Hold `value`, of `size` bytes, under `key`."""
        with self._lock:
            self._remove(key)
            if size > self._limit:
                return
            self._uses += 1
            (self._dear if dear else self._cheap)[key] = _Held(value, size, self._uses)
            self._dear_size += size if dear else 0
            self.size += size
            while self.size > self._limit:
                self._remove(self._next_to_go())

    def _next_to_go(self) -> K:
        cheap, dear = next(iter(self._cheap), None), next(iter(self._dear), None)
        if dear is None or (cheap is not None and self._dear_size <= self._limit * DEAR_SHARE):
            return next(iter(self._cheap))
        if cheap is None or self._dear[dear].used < self._cheap[cheap].used:
            return dear
        return cheap

    def _remove(self, key: K) -> None:
        if key in self._dear:
            freed = self._dear.pop(key).size
            self._dear_size -= freed
        elif key in self._cheap:
            freed = self._cheap.pop(key).size
        else:
            return
        self.size -= freed

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._cheap.clear()
            self._dear.clear()
            self.size = self._dear_size = 0
