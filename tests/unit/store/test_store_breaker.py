"""A store out of reach: one caller waits, the others do not, and all goes on when it is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from vfs.errors import ObjectMissing, StoreDenied, StoreError, StoreThrottled, StoreTimeout
from vfs.store.breaker import BreakerStore
from vfs.store.memory import MemoryStore


class FlakyStore(MemoryStore):
    """Raises `failure`, when there is one, after `delay` seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.failure: StoreError | None = None
        self.delay = 0.0
        self.calls = 0

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        self.calls += 1
        if self.failure is not None:
            time.sleep(self.delay)
            raise self.failure
        return super().get(key, start=start, length=length)


@pytest.fixture
def inner() -> FlakyStore:
    store = FlakyStore()
    store.put("vfs.json", b"{}")
    store.put("a", b"data")
    return store


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until `condition()` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_after_one_timeout_the_rest_fails_at_once_and_recovers(inner: FlakyStore) -> None:
    said: list[str] = []
    store = BreakerStore(inner, said=said.append, wait=0.02)
    assert store.get("a") == b"data"
    inner.failure, inner.delay = StoreTimeout("a: no answer in time"), 0.3
    with pytest.raises(StoreTimeout, match="no answer in time"):
        store.get("a")
    started = time.monotonic()
    for _ in range(100):
        with pytest.raises(StoreTimeout, match=r"out of reach for \d+ s: a: no answer in time"):
            store.get("a")
    assert time.monotonic() - started < 0.25, "nobody waits while it is known to be out of reach"
    assert store.broken
    inner.failure = None
    until(lambda: not store.broken)
    assert store.get("a") == b"data"
    assert len(said) == 2
    assert "cached stays readable" in said[0]
    assert said[1].startswith("store back after")
    store.close()


@pytest.mark.parametrize("failure", [ObjectMissing("a: no"), StoreDenied("a: no"), StoreThrottled("a: slow down")])
def test_a_store_that_answers_is_not_out_of_reach(inner: FlakyStore, failure: StoreError) -> None:
    store = BreakerStore(inner, said=lambda line: pytest.fail(line))
    inner.failure = failure
    for _ in range(3):
        with pytest.raises(type(failure)):
            store.get("a")
    inner.failure = None
    assert store.get("a") == b"data"


def test_a_refusal_ends_the_outage(inner: FlakyStore) -> None:
    store = BreakerStore(inner, said=lambda _: None, wait=0.02)
    inner.failure = StoreTimeout("a: gone")
    with pytest.raises(StoreTimeout):
        store.get("a")
    inner.failure = StoreDenied("vfs.json: refused")
    until(lambda: not store.broken)
    with pytest.raises(StoreDenied):
        store.get("a")
    store.close()


def test_many_threads_start_one_probe(inner: FlakyStore) -> None:
    store = BreakerStore(inner, said=lambda _: None, wait=30)
    inner.failure, inner.delay = StoreTimeout("a: gone"), 0.05

    def read() -> None:
        with pytest.raises(StoreTimeout):
            store.get("a")

    threads = [threading.Thread(target=read) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sum(thread.name == "store-probe" for thread in threading.enumerate()) <= 2
    store.close()
