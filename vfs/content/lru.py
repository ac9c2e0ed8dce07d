"""A cache bounded in bytes that drops what was used longest ago."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ByteLRU(Generic[K, V]):
    """Values with a size in bytes each. Thread-safe.

    Invariant: the sizes of what is held sum to `size`, at most `limit`; a value larger than that is not
    kept. `_lock` guards all of it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._items: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.size = 0

    def get(self, key: K) -> V | None:
        """The value under `key`, now the most recently used; None when it is not held."""
        with self._lock:
            item = self._items.get(key)
            if item is None:
                return None
            self._items.move_to_end(key)
            return item[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Hold `value`, of `size` bytes, under `key`."""
        with self._lock:
            old = self._items.pop(key, None)
            self.size -= old[1] if old else 0
            if size > self._limit:
                return
            self._items[key] = (value, size)
            self.size += size
            while self.size > self._limit:
                _, (_, freed) = self._items.popitem(last=False)
                self.size -= freed

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._items.clear()
            self.size = 0
