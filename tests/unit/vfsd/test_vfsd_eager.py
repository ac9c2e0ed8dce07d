"""Looking for the next request without sleep: after answers, never while threads work, and less where it is in vain."""

from __future__ import annotations

import threading

import trio
import trio.testing

from vfs.store.linger import PASSED_OVER_MAX
from vfsd.eager import MOMENT, Eager
from vfsd.threads import Threads


async def test_a_look_follows_each_answer_and_no_other_wait() -> None:
    looks = list[int]()
    eager = Eager(lambda ns: bool(looks.append(ns)) or True, Threads(1))
    eager.before_io_wait(1.0)
    assert not looks
    for count in range(1, 4):
        eager.answered = True
        eager.before_io_wait(0.0)
        assert len(looks) == count - 1
        eager.before_io_wait(1.0)
        eager.before_io_wait(1.0)
        assert looks == [int(MOMENT * 1e9)] * count


async def test_nobody_looks_while_a_thread_works() -> None:
    looks, threads, work = list[int](), Threads(1), threading.Event()
    eager = Eager(lambda ns: bool(looks.append(ns)) or True, threads)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(threads.run, work.wait, 10)
        await trio.testing.wait_all_tasks_blocked()
        eager.answered = True
        eager.before_io_wait(1.0)
        assert not looks
        work.set()
    eager.before_io_wait(1.0)
    assert looks


async def test_in_vain_it_is_done_less_and_less() -> None:
    looks = list[int]()
    eager = Eager(lambda ns: bool(looks.append(ns)), Threads(1))
    for _ in range(1000):
        eager.answered = True
        eager.before_io_wait(1.0)
    assert 1 < len(looks) <= 7 + 1000 // PASSED_OVER_MAX


async def test_the_event_loop_asks_before_it_sleeps() -> None:
    looks = list[int]()
    eager = Eager(lambda ns: bool(looks.append(ns)) or True, Threads(1))
    trio.lowlevel.add_instrument(eager)
    eager.answered = True
    await trio.sleep(0.01)
    trio.lowlevel.remove_instrument(eager)
    eager.answered = True
    await trio.sleep(0.01)
    assert len(looks) == 1
