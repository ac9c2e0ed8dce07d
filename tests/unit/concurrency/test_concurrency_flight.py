from __future__ import annotations

import threading
import time

import pytest

from vfs.concurrency.single_flight import SingleFlight, _Flight


def waiting(flights: SingleFlight[str, int], key: str) -> _Flight[int]:
    """The call for `key` once it is under way."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        flight = flights._flights.get(key)
        if flight is not None:
            return flight
    raise AssertionError("nothing under way")


class Crowd:
    """Threads that all ask for one key while the first of them is still at work."""

    def __init__(self, size: int, error: BaseException | None = None) -> None:
        self.flights: SingleFlight[str, int] = SingleFlight()
        self.calls = 0
        self.error = error
        self.release = threading.Event()
        self.results: list[int | BaseException] = []
        self.threads = [threading.Thread(target=self.ask) for _ in range(size)]

    def work(self) -> int:
        self.calls += 1
        self.release.wait(10)
        if self.error is not None and self.calls == 1:
            raise self.error
        return self.calls

    def ask(self) -> None:
        try:
            self.results.append(self.flights.do("key", self.work))
        except BaseException as error:
            self.results.append(error)

    def run(self) -> None:
        self.threads[0].start()
        waiting(self.flights, "key")
        for thread in self.threads[1:]:
            thread.start()
        time.sleep(0.05)
        self.release.set()
        for thread in self.threads:
            thread.join(10)


def test_many_ask_and_one_works() -> None:
    crowd = Crowd(8)
    crowd.run()
    assert crowd.calls == 1
    assert crowd.results == [1] * 8


def test_an_error_reaches_all_who_waited() -> None:
    error = ValueError("no")
    crowd = Crowd(4, error)
    crowd.run()
    assert crowd.calls == 1
    assert crowd.results == [error] * 4


def test_an_interrupted_call_is_made_again_by_who_waited() -> None:
    interrupt = KeyboardInterrupt()
    crowd = Crowd(4, interrupt)
    crowd.run()
    assert crowd.results[0] is interrupt
    assert len(crowd.results) == 4
    assert all(isinstance(result, int) and result >= 2 for result in crowd.results[1:])


def test_nothing_is_kept() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    assert flights.do("a", lambda: 1) == 1
    assert flights.do("a", lambda: 2) == 2
    with pytest.raises(ValueError):
        flights.do("a", lambda: int("x"))
    assert flights.do("a", lambda: 3) == 3


def test_keys_do_not_wait_for_each_other() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    assert flights.do("a", lambda: flights.do("b", lambda: 7)) == 7
