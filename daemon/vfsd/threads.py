"""Threads for what would block the event loop: a queue and a wake-up, 32 µs a hop where `trio.to_thread` takes 61."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, ParamSpec, Protocol, TypeVar

import trio

from vfs.errors import StoreTimeout

P = ParamSpec("P")
T = TypeVar("T")


class _Call(Generic[T]):
    """One call on its way through a thread. `task` is None once nobody waits for it: event loop only."""

    __slots__ = ("error", "function", "result", "task")

    def __init__(self, function: Callable[[], T], task: trio.lowlevel.Task) -> None:
        self.function = function
        self.task: trio.lowlevel.Task | None = task
        self.result: list[T] = []
        self.error: BaseException | None = None

    def perform(self) -> None:
        try:
            self.result.append(self.function())
        except BaseException as error:
            self.error = error

    def deliver(self) -> None:
        task, self.task = self.task, None
        if task is not None:
            trio.lowlevel.reschedule(task)

    def abandon(self, _: object) -> trio.lowlevel.Abort:
        self.task = None
        return trio.lowlevel.Abort.SUCCEEDED

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return self.result[0]


class _Work(Protocol):
    """What a thread sees of a call."""

    task: trio.lowlevel.Task | None

    def perform(self) -> None:
        """Do it, and keep the result or the error."""

    def deliver(self) -> None:
        """Wake whoever waits: event loop only."""


class Threads:
    """A fixed number of threads for one event loop.

    A call whose deadline passes is abandoned: its thread goes on by itself, the caller gets StoreTimeout. Threads
    are daemonic, so one that hangs in the store cannot keep the process alive. Who is in the queue is
    bounded by who asks: the FUSE loop has at most 99 requests in work.
    """

    def __init__(self, count: int) -> None:
        self._queue: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._token = trio.lowlevel.current_trio_token()
        self.waiting = 0
        for number in range(count):
            threading.Thread(target=self._work, name=f"vfsd-{number}", daemon=True).start()

    def _work(self) -> None:
        while True:
            call = self._queue.get()
            # An abandoned call is not begun: nobody would see its result.
            if call.task is None:
                continue
            call.perform()
            try:
                self._token.run_sync_soon(call.deliver)
            except trio.RunFinishedError:
                return

    async def run(self, function: Callable[P, T], seconds: float, *args: P.args, **kwargs: P.kwargs) -> T:
        """`function(*args)` in a thread; StoreTimeout after `seconds`."""
        call: _Call[T] = _Call(lambda: function(*args, **kwargs), trio.lowlevel.current_task())
        self.waiting += 1
        try:
            with trio.move_on_after(seconds):
                self._queue.put(call)
                await trio.lowlevel.wait_task_rescheduled(call.abandon)
                return call.outcome()
        finally:
            self.waiting -= 1
        raise StoreTimeout(f"not answered within {seconds:g} s")
