from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from vfs.concurrency.pool import ordered_map


def threads_left() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("vfs-map")]


def test_results_are_in_the_order_of_the_input() -> None:
    # The first are the slowest: with four workers they end last.
    delays = [0.02, 0.01, 0.005, 0.0] * 5

    def work(item: tuple[int, float]) -> int:
        time.sleep(item[1])
        return item[0]

    assert list(ordered_map(work, enumerate(delays), workers=4, ahead=8)) == list(range(20))
    assert threads_left() == []


@pytest.mark.parametrize(("workers", "ahead"), [(1, 1), (0, 0), (8, 1), (1, 50), (3, 1000)])
def test_any_sizes_give_the_same(workers: int, ahead: int) -> None:
    assert list(ordered_map(str, range(100), workers=workers, ahead=ahead)) == [str(n) for n in range(100)]


def test_nothing_in_nothing_out() -> None:
    assert list(ordered_map(str, [], workers=4, ahead=4)) == []


def test_the_input_is_taken_no_further_ahead_than_asked() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    results = ordered_map(str, items(), workers=2, ahead=5)
    for given in range(1, 20):
        next(results)
        assert taken <= given + 5
    results.close()


def test_several_items_are_worked_on_at_once() -> None:
    meeting = threading.Barrier(4, timeout=10)
    assert len(list(ordered_map(lambda _: meeting.wait(), range(4), workers=4, ahead=4))) == 4


def test_an_exception_comes_in_its_place() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    results = ordered_map(work, range(10), workers=4, ahead=8)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert list(results) == []
    assert threads_left() == []


def test_an_exception_of_the_input_comes_after_the_results_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the directory is gone")

    got = []
    with pytest.raises(OSError, match="gone"):
        for result in ordered_map(lambda number: number, items(), workers=2, ahead=10):
            got.append(result)
    assert got == [1, 2]


def test_closing_drops_what_has_not_begun() -> None:
    begun: list[int] = []
    release = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number:
            release.wait(10)
        return number

    results = ordered_map(work, range(1000), workers=2, ahead=500)
    assert next(results) == 0
    threading.Timer(0.05, release.set).start()
    started = time.monotonic()
    results.close()
    assert time.monotonic() - started < 5
    assert len(begun) <= 4
    assert threads_left() == []
