"""What is pushed into the page cache, and when the pusher leaves it."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from vfs.metrics.counters import Registry
from vfs.metrics.names import PUSHED
from vfsd.push import LATER, WAITING_MAX, Pusher


class Kernel:
    """Takes what is pushed. `unknown` inodes are refused as the kernel refuses those it does not know."""

    def __init__(self) -> None:
        self.pages: dict[int, bytes] = {}
        self.unknown: set[int] = set()
        self.heard: list[str] = []
        self.refuses = 0
        self.held = threading.Event()
        self.held.set()
        self.calls = 0

    def store(self, files: Sequence[tuple[int, bytes]]) -> list[int]:
        outcomes = []
        for inode, data in files:
            self.calls += 1
            assert self.held.wait(20)
            outcomes.append(self.refuses or (errno.ENOENT if inode in self.unknown else 0))
            if self.refuses:
                break
            if not outcomes[-1]:
                self.pages[inode] = data
        return outcomes


def wait_for(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_files_reach_the_kernel_and_are_counted() -> None:
    kernel, counters = Kernel(), Registry()
    pusher = Pusher(kernel.store, counters, refused=kernel.heard.append)
    pusher.push([(7, b"seven"), (8, b"eight!")])
    wait_for(lambda: kernel.pages == {7: b"seven", 8: b"eight!"})
    assert counters.counter(PUSHED).value == 11
    assert pusher.close()


def test_an_inode_the_kernel_does_not_know_is_tried_once_more_and_no_more() -> None:
    kernel = Kernel()
    kernel.unknown = {1, 2}
    pusher = Pusher(kernel.store, Registry(), refused=kernel.heard.append)
    pusher.push([(1, b"one"), (2, b"two"), (3, b"three")])
    wait_for(lambda: 3 in kernel.pages)
    kernel.unknown = {2}
    wait_for(lambda: 1 in kernel.pages)
    calls = kernel.calls
    time.sleep(3 * LATER)
    assert kernel.calls == calls == 5
    assert not pusher.off
    assert pusher.close()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTCONN, errno.EBADF])
def test_a_kernel_that_refuses_is_not_asked_again(number: int) -> None:
    kernel = Kernel()
    kernel.refuses = number
    pusher = Pusher(kernel.store, Registry(), refused=kernel.heard.append)
    pusher.push([(1, b"one"), (2, b"two")])
    wait_for(lambda: bool(pusher.off))
    pusher.push([(3, b"three")])
    assert kernel.calls == 1
    assert os.strerror(number) in pusher.off
    assert kernel.heard == [pusher.off]
    assert pusher.close()


def test_what_waits_is_bounded_and_pushing_never_waits() -> None:
    kernel = Kernel()
    kernel.held.clear()
    pusher = Pusher(kernel.store, Registry(), refused=kernel.heard.append)
    piece = bytes(WAITING_MAX // 4)
    start = time.monotonic()
    for inode in range(100):
        pusher.push([(inode, piece)])
    assert time.monotonic() - start < 5
    kernel.held.set()
    wait_for(lambda: len(kernel.pages) == 4)
    pusher.push([(1000, b"again there is room")])
    wait_for(lambda: 1000 in kernel.pages)
    assert len(kernel.pages) == 5
    assert pusher.close()


def test_the_end_does_not_wait_for_a_push_that_hangs_for_longer_than_it_must() -> None:
    kernel = Kernel()
    kernel.held.clear()
    pusher = Pusher(kernel.store, Registry(), refused=kernel.heard.append)
    pusher.push([(1, b"one")])
    pusher.push([(2, b"two")])
    wait_for(lambda: kernel.calls == 1)
    start = time.monotonic()
    assert not pusher.close(), "the session is still in use"
    assert time.monotonic() - start < 5
    kernel.held.set()
    wait_for(pusher.close)
    assert kernel.pages == {1: b"one"}, "nothing is begun after the end"
