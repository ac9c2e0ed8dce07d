from __future__ import annotations

import pytest

from vfs.errors import StoreDenied, StoreTimeout
from vfs.store.retry import Attempt, Failure, Patience, persist

BUSY = Failure(StoreTimeout, "busy", transient=True)
AWAY = Failure(StoreTimeout, "no connection", transient=True, unreachable=True)
DENIED = Failure(StoreDenied, "refused")


class Trouble(Exception):
    def __init__(self, failure: Failure) -> None:
        self.failure = failure


class World:
    """A clock that only sleeping and working move, and a service that fails a number of times."""

    def __init__(self, failure: Failure, times: int, *, work: float = 0.0) -> None:
        self.now = 1000.0
        self.failure = failure
        self.times = times
        self.work = work
        self.attempts: list[Attempt] = []
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def call(self, attempt: Attempt) -> str:
        self.attempts.append(attempt)
        self.now += self.work
        if len(self.attempts) <= self.times:
            raise Trouble(self.failure)
        return "done"

    def persist(self, seconds: float, unreachable: float) -> str:
        patience = Patience(seconds, unreachable, clock=lambda: self.now, sleep=self.sleep)
        return persist(
            self.call,
            lambda error: error.failure if isinstance(error, Trouble) else None,
            what="s3://b/key: cannot be read",
            patience=patience,
        )


def test_what_succeeds_is_not_repeated() -> None:
    world = World(BUSY, 0)
    assert world.persist(60, 10) == "done"
    assert (len(world.attempts), world.waits) == (1, [])


def test_a_passing_trouble_of_twenty_seconds_is_sat_out() -> None:
    world = World(BUSY, 9)
    assert world.persist(60, 10) == "done"
    assert [attempt.number for attempt in world.attempts] == list(range(10))
    assert len({id(attempt.deadline) for attempt in world.attempts}) == 1
    assert all(0.05 <= wait <= 5 for wait in world.waits)
    assert world.waits[-1] >= 2.5


def test_a_lasting_trouble_ends_with_the_patience_and_its_cause() -> None:
    world = World(BUSY, 10**6)
    with pytest.raises(StoreTimeout, match=r"^s3://b/key: cannot be read: busy \(tried \d+ times\)$"):
        world.persist(60, 10)
    assert 50 <= world.now - 1000 <= 60


def test_a_service_out_of_reach_is_given_up_earlier() -> None:
    world = World(AWAY, 10**6)
    with pytest.raises(StoreTimeout, match="no connection"):
        world.persist(60, 10)
    assert 4 <= world.now - 1000 <= 10


def test_slow_failures_count_with_the_time_they_took() -> None:
    world = World(BUSY, 10**6, work=25)
    with pytest.raises(StoreTimeout):
        world.persist(60, 60)
    assert len(world.attempts) == 3


def test_what_will_not_get_better_is_not_repeated() -> None:
    world = World(DENIED, 10**6)
    with pytest.raises(StoreDenied, match=r"^s3://b/key: cannot be read: refused$"):
        world.persist(60, 10)
    assert len(world.attempts) == 1


def test_what_is_no_failure_of_the_store_passes_through() -> None:
    patience = Patience(60, 10)

    def broken(_: Attempt) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        persist(broken, lambda _: None, what="x", patience=patience)
