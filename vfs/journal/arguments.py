"""Argument vectors of other processes, read in a thread with a limit on the wait.

Reading /proc/<pid>/cmdline needs the memory of that process. A process can be in the middle of a page fault on
our mount, or have its arguments in a mapping of a file on it: the event loop would wait for itself.
"""

from __future__ import annotations

import queue
import threading

from vfs.journal import procfs

# The answer takes some 0.1 ms; this long means that the process is waiting for something itself.
_WAIT = 0.05


class Request:
    """One process whose arguments are wanted; `argv` is set once, by the reading thread."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.argv: tuple[bytes, ...] = ()
        self.done = threading.Event()


class Arguments:
    """Reads argument vectors one after another. While one read is stuck, nobody waits for the next ones."""

    def __init__(self, *, wait: float = _WAIT) -> None:
        """`wait`: seconds that `ask` waits at most."""
        self._wait = wait
        self._queue: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._late: Request | None = None
        self._thread = threading.Thread(target=self._serve, name="vfs-arguments", daemon=True)
        self._thread.start()

    def ask(self, pid: int) -> Request:
        """Read the arguments of `pid`. When that takes too long they may still come in before the next flush."""
        request = self.request(pid)
        self.wait_for(request)
        return request

    def request(self, pid: int) -> Request:
        """Have the arguments of `pid` read as soon as can be."""
        request = Request(pid)
        self._queue.put(request)
        return request

    def wait_for(self, request: Request) -> None:
        """Wait for the arguments, within the limit."""
        if self._late is not None and not self._late.done.is_set():
            return
        self._late = None if request.done.wait(self._wait) else request

    def close(self) -> None:
        """End the thread when it has nothing more to read; does not wait for it."""
        self._queue.put(None)

    def _serve(self) -> None:
        while (request := self._queue.get()) is not None:
            request.argv = procfs.argv_of(request.pid)
            request.done.set()
