"""When described processes end: one descriptor each, and one thread that waits for all of them."""

from __future__ import annotations

import os
import select
import threading
import time

# Descriptors held at once, of the 1,024 that a process usually may have. Whose end nobody waits for has none recorded.
WATCHED_MAX = 384
# Ends held while the journal cannot be written.
_HELD = 20_000
_EVENTS = 64


class Ends:
    """Waits for processes to end. `_lock` guards the tables; what is described costs a system call or two."""

    def __init__(self) -> None:
        """Nobody is waited for yet; the thread begins with the first."""
        self._lock = threading.Lock()
        self._poll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll.register(self._wake, select.EPOLLIN)
        self._keys: dict[int, int] = {}
        self._descriptors: dict[int, int] = {}
        self._ended: list[tuple[int, int]] = []
        self._closed = False
        self._thread: threading.Thread | None = None

    def watch(self, key: int, pid: int, *, after: int = 0) -> None:
        """Wait for the end of the process that has this number now.

        `after`: its key as another program, in whose place this one was executed: that one has ended now.
        """
        with self._lock:
            descriptor = self._descriptors.pop(after, None)
            if descriptor is None:
                descriptor = self._open(pid)
            if after:
                self._ended.append((after, time.time_ns()))
            if descriptor is None:
                return
            self._descriptors[key] = descriptor
            self._keys[descriptor] = key
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="vfs-ends", daemon=True)
                self._thread.start()

    def take(self) -> list[tuple[int, int]]:
        """The ends since the last call, as (key, nanoseconds since the epoch), those of this moment too."""
        with self._lock:
            self._note(self._poll.poll(0, _EVENTS) if not self._closed else [])
            ended, self._ended = self._ended, []
            return ended

    def put_back(self, ended: list[tuple[int, int]]) -> None:
        """Hold what was taken and could not be written; the first ones, when that is too many."""
        with self._lock:
            self._ended = [*ended, *self._ended][:_HELD]

    def close(self) -> None:
        """Wait for nobody any more; who has not ended by now is not known to have."""
        with self._lock:
            self._note(self._poll.poll(0, WATCHED_MAX))
            self._closed = True
            os.eventfd_write(self._wake, 1)
        if self._thread is not None:
            self._thread.join()
        self._poll.close()
        for descriptor in (*self._keys, self._wake):
            os.close(descriptor)
        self._keys.clear()
        self._descriptors.clear()

    def _open(self, pid: int) -> int | None:
        if self._closed or len(self._keys) >= WATCHED_MAX:
            return None
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return None
        self._poll.register(descriptor, select.EPOLLIN)
        return descriptor

    def _run(self) -> None:
        while not self._closed:
            found = self._poll.poll(-1, _EVENTS)
            with self._lock:
                self._note(found)

    def _note(self, found: list[tuple[int, int]]) -> None:
        now = time.time_ns()
        for descriptor, _ in found:
            # Two threads may have been told of one end.
            key = self._keys.pop(descriptor, None)
            if key is not None:
                del self._descriptors[key]
                self._ended.append((key, now))
                os.close(descriptor)
