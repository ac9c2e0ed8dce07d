"""Counts and latencies of the kernel's requests, one meter for each kind of request."""

from __future__ import annotations

import errno

from vfs.metrics.counters import Counter, Registry
from vfs.metrics.names import READ_BYTES, REQUEST_ERRORS, REQUEST_SECONDS, REQUESTS
from vfsd.troubles import Troubles


class Meter:
    """How one kind of request went."""

    def __init__(self, registry: Registry, operation: str) -> None:
        self._registry = registry
        self._operation = operation
        self._errors: dict[int, Counter] = {}
        self._seconds = registry.histogram(REQUEST_SECONDS, operation)
        self.requests = registry.counter(REQUESTS, operation)

    def answered(self, seconds: float) -> None:
        """A request was answered, well or not, after `seconds`."""
        self.requests.add()
        self._seconds.observe(seconds)

    def failed(self, number: int) -> None:
        """A request was answered with the error `number`."""
        counter = self._errors.get(number)
        if counter is None:
            name = errno.errorcode.get(number, str(number))
            counter = self._errors[number] = self._registry.counter(REQUEST_ERRORS, self._operation, name)
        counter.add()


class Meters:
    """The meters of one mount, made when first asked for."""

    def __init__(self, registry: Registry, troubles: Troubles) -> None:
        self._registry = registry
        self._meters: dict[str, Meter] = {}
        self.troubles = troubles
        self.read_bytes = registry.counter(READ_BYTES)

    def meter(self, operation: str) -> Meter:
        """The meter of `operation`."""
        meter = self._meters.get(operation)
        if meter is None:
            meter = self._meters[operation] = Meter(self._registry, operation)
        return meter

    def counts(self) -> dict[str, int]:
        """Requests answered, by operation."""
        return {name: meter.requests.value for name, meter in sorted(self._meters.items())}
