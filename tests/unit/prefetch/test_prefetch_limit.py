"""The number of requests at once follows what the store can take."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from vfs.content.prefetch.limit import AdaptiveLimit
from vfs.errors import Corrupt, StoreThrottled


def good(limit: AdaptiveLimit, times: int) -> None:
    for _ in range(times):
        with limit.request():
            pass


def bad(limit: AdaptiveLimit) -> None:
    with suppress(StoreThrottled), limit.request():
        raise StoreThrottled("a: slow down")


def test_it_grows_by_one_a_round_and_halves_at_a_failure() -> None:
    limit = AdaptiveLimit(first=4, most=16)
    good(limit, 4)
    assert limit.allowed == 5
    good(limit, 1000)
    assert limit.allowed == 16
    bad(limit)
    assert limit.allowed == 8
    for _ in range(10):
        bad(limit)
    assert limit.allowed == 1
    good(limit, 1)
    assert limit.allowed == 2


def test_what_is_no_failure_of_the_store_changes_nothing() -> None:
    limit = AdaptiveLimit(first=4, most=4)
    with pytest.raises(Corrupt), limit.request():
        raise Corrupt("pack: damaged")
    assert limit.allowed == 4


def test_no_more_than_allowed_are_under_way_and_all_get_their_turn() -> None:
    limit = AdaptiveLimit(first=2, most=3)
    lock, under_way, most, done = threading.Lock(), 0, 0, 0

    def work() -> None:
        nonlocal under_way, most, done
        for _ in range(30):
            with limit.request():
                with lock:
                    under_way += 1
                    most = max(most, under_way)
                with lock:
                    under_way -= 1
                    done += 1

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert done == 300
    assert most <= 3
