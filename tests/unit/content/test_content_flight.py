"""Values on their way: whoever wants one waits for the thread that brings it, and is told how it went."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vfs.content.flight import Flight


def test_a_value_that_landed_is_given_to_everybody() -> None:
    flight = Flight[str, int]()
    assert not flight.has("a")
    flight.land("a", 1)
    assert flight.has("a")
    assert not flight.has("b")
    assert [flight.get("a"), flight.get("a")] == [1, 1]


def test_the_error_with_which_a_value_did_not_come_is_raised() -> None:
    flight = Flight[str, int]()
    flight.land("a", KeyError("gone"))
    with pytest.raises(KeyError, match="gone"):
        flight.get("a")


def test_who_waits_is_told_of_its_own_value_whatever_lands_before() -> None:
    flight = Flight[int, int]()
    keys = range(2000)
    begun = threading.Barrier(9)

    def wait(first: int) -> list[int]:
        begun.wait(10)
        return [flight.get(key) for key in keys[first::8]]

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(wait, first) for first in range(8)]
        begun.wait(10)
        for key in reversed(keys):
            flight.land(key, -key)
        found = [future.result(20) for future in waiting]
    assert found == [[-key for key in keys[first::8]] for first in range(8)]


def test_many_who_wait_for_one_are_all_told() -> None:
    flight = Flight[str, int]()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(flight.get, "a") for _ in range(8)]
        flight.land("b", 2)
        flight.land("a", 1)
        assert [future.result(10) for future in waiting] == [1] * 8
