"""What one thread is bringing: others who want the same wait for it instead of bringing it a second time."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Flight(Generic[K, V]):
    """Values by key that are on their way, each landed once, by the thread that brings them. Thread-safe.

    One for all that a thread brings at once: a future for each would cost more than to bring a small file. `_changed`
    guards `_waiting`; `_landed` grows only. A landing that sees nobody waiting was there before whoever comes to
    wait looks for it, which he does after he has said that he waits.
    """

    def __init__(self) -> None:
        self._landed: dict[K, V | Exception] = {}
        self._waiting = 0
        self._changed = threading.Condition(threading.Lock())

    def land(self, key: K, value: V | Exception) -> None:
        """The value of a key is here, or why it does not come."""
        self._landed[key] = value
        if self._waiting:
            with self._changed:
                self._changed.notify_all()

    def has(self, key: K) -> bool:
        """Whether `key` has landed."""
        return key in self._landed

    def get(self, key: K) -> V:
        """The value of a key, once it is here; the error with which it did not come is raised."""
        if key not in self._landed:
            with self._changed:
                self._waiting += 1
                self._changed.wait_for(lambda: key in self._landed)
                self._waiting -= 1
        value = self._landed[key]
        if isinstance(value, Exception):
            raise value
        return value
