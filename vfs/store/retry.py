"""Trying again: how often, how long, and what the caller is told in the end."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import msgspec

from vfs.concurrency.deadline import Deadline
from vfs.errors import StoreError

R = TypeVar("R")

# Seconds. Waits double from the first to the longest, jittered by half so that many clients spread out.
FIRST_WAIT = 0.1
LONGEST_WAIT = 5.0


class Failure(msgspec.Struct, frozen=True):
    """Why an attempt failed: the error to raise, the cause in lower case, and whether another attempt may help.

    `unreachable` marks a service that could not be connected to at all.
    """

    error: type[StoreError]
    cause: str
    transient: bool = False
    unreachable: bool = False


class Attempt(msgspec.Struct, frozen=True):
    """What a call is told about itself: its number, from 0, and the deadline of all attempts."""

    number: int
    deadline: Deadline


class Patience(msgspec.Struct, frozen=True):
    """Seconds for one operation with all its attempts, and for a service that cannot be connected to.

    `clock` and `sleep` are replaced by tests.
    """

    seconds: float
    unreachable: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def persist(
    call: Callable[[Attempt], R], classify: Callable[[Exception], Failure | None], *, what: str, patience: Patience
) -> R:
    """`call`, repeated after transient failures until the patience ends.

    `classify` says what an exception means, None for one that is no failure of the store and passes
    through. What is raised is the failure's error, with `what` as its subject.
    """
    deadline = Deadline(patience.seconds, patience.clock)
    started = patience.clock()
    number = 0
    while True:
        try:
            return call(Attempt(number, deadline))
        except Exception as error:
            failure = classify(error)
            if failure is None:
                raise
            wait = _wait(number)
            limit = patience.unreachable if failure.unreachable else patience.seconds
            if not failure.transient or patience.clock() - started + wait >= min(limit, patience.seconds):
                raise failure.error(f"{what}: {_told(failure, number)}") from error
        patience.sleep(wait)
        number += 1


def _wait(number: int) -> float:
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(number, 16)) * (0.5 + random.random() / 2)


def _told(failure: Failure, number: int) -> str:
    return f"{failure.cause} (tried {number + 1} times)" if failure.transient and number else failure.cause
