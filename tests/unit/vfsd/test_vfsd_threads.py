"""The threads: results, errors, deadlines, and callers that go away."""

from __future__ import annotations

import threading

import pytest
import trio

from vfs.errors import Corrupt, StoreTimeout
from vfsd.threads import Threads


async def test_results_and_errors_come_back_to_who_asked() -> None:
    threads = Threads(2)

    def divide(a: int, b: int) -> float:
        if b == 0:
            raise Corrupt("zero")
        return a / b

    assert await threads.run(divide, 5, 6, 3) == 2
    with pytest.raises(Corrupt, match="zero"):
        await threads.run(divide, 5, 1, 0)
    assert threads.waiting == 0


async def test_many_wait_at_once_and_each_gets_its_own() -> None:
    threads, got = Threads(4), {}

    async def ask(number: int) -> None:
        got[number] = await threads.run(lambda: (number, threading.get_ident()), 30)

    async with trio.open_nursery() as nursery:
        for number in range(500):
            nursery.start_soon(ask, number)
    assert [got[number][0] for number in range(500)] == list(range(500))
    assert threading.get_ident() not in {thread for _, thread in got.values()}


async def test_a_deadline_frees_the_caller_not_the_thread() -> None:
    threads, release, entered = Threads(1), threading.Event(), threading.Event()

    def hang() -> None:
        entered.set()
        release.wait(30)

    with pytest.raises(StoreTimeout, match=r"not answered within 0\.1 s"):
        await threads.run(hang, 0.1)
    assert entered.is_set()
    began = []
    with pytest.raises(StoreTimeout):
        await threads.run(lambda: began.append(1), 0.05)
    release.set()
    assert await threads.run(lambda: "next", 30) == "next"
    assert began == []


async def test_a_cancelled_caller_is_not_woken() -> None:
    threads, release = Threads(1), threading.Event()
    with trio.move_on_after(0.05) as scope:
        await threads.run(release.wait, 30, 30)
    assert scope.cancelled_caught
    release.set()
    assert await threads.run(lambda: 1, 30) == 1
    assert threads.waiting == 0
