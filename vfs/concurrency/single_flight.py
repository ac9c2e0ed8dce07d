"""Work that several threads want at once and that is done once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")


class _Flight(Generic[V]):
    """One piece of work under way; `landed` is set after `value` or `error` was."""

    __slots__ = ("error", "landed", "value")

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.value: V | None = None
        self.error: BaseException | None = None


class SingleFlight(Generic[K, V]):
    """At most one call per key at a time; those who come meanwhile get its outcome.

    Invariant, guarded by `_lock`: `_flights` holds exactly the keys whose function is running. Nothing is
    kept after the call: this joins work, it caches none.
    """

    def __init__(self) -> None:
        """Nothing under way."""
        self._flights: dict[K, _Flight[V]] = {}
        self._lock = threading.Lock()

    def do(self, key: K, function: Callable[[], V]) -> V:
        """`function()`, or the outcome of a call for `key` that is under way, its exception included.

        When that call was interrupted (KeyboardInterrupt, SystemExit), a waiter makes the call itself.
        """
        while True:
            flight, leads = self._join(key)
            if leads:
                return self._fly(key, flight, function)
            flight.landed.wait()
            if flight.error is None:
                return cast(V, flight.value)
            if isinstance(flight.error, Exception):
                raise flight.error

    def _join(self, key: K) -> tuple[_Flight[V], bool]:
        with self._lock:
            found = self._flights.get(key)
            if found is not None:
                return found, False
            mine = self._flights[key] = _Flight()
            return mine, True

    def _fly(self, key: K, flight: _Flight[V], function: Callable[[], V]) -> V:
        try:
            value = flight.value = function()
        except BaseException as error:
            flight.error = error
            raise
        finally:
            with self._lock:
                del self._flights[key]
            flight.landed.set()
        return value
