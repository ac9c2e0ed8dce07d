from __future__ import annotations

import pytest

from vfs.concurrency.deadline import Deadline
from vfs.errors import StoreTimeout


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_time_runs_out() -> None:
    clock = Clock()
    deadline = Deadline(10, clock)
    assert (deadline.left(), deadline.passed, deadline.bound(3), deadline.bound(30)) == (10, False, 3, 10)
    deadline.check("store")
    clock.now = 108
    assert (deadline.left(), deadline.bound(3)) == (2, 2)
    clock.now = 110
    assert (deadline.left(), deadline.passed) == (0, True)
    with pytest.raises(StoreTimeout, match=r"^store: no answer within 10 s$"):
        deadline.check("store")


def test_what_is_left_is_never_negative() -> None:
    clock = Clock()
    deadline = Deadline(1, clock)
    clock.now = 1000
    assert deadline.left() == 0.0
    assert deadline.bound(5) == 0.0
