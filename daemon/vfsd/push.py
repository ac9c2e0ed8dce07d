"""Content put into the kernel's page cache before anybody asks for it: the kernel then answers reads by itself."""

from __future__ import annotations

import errno
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from vfs.metrics.counters import Registry
from vfs.metrics.names import PUSHED

Files = Sequence[tuple[int, bytes]]
# Pushes files one after the other; the outcome of each as an error number, 0 for done, up to the first that is neither
# that nor ENOENT.
Store = Callable[[Files], list[int]]

# Bytes that wait to be pushed; what comes on top is left for its readers to ask for.
WAITING_MAX = 32 << 20
# Files pushed between two looks at whether to stop.
BATCH = 64
# Seconds until a file whose inode the kernel did not know yet is tried again, once.
LATER = 0.02
# Seconds that the end of the mount waits for a push that is under way.
PATIENCE = 1.0
# The kernel does not know the inode, or has forgotten it.
_UNKNOWN = errno.ENOENT


class Pusher:
    """Pushes whole, verified files from one thread of its own. `off` says why it does not; empty while it does.

    The kernel makes a push wait for a page whose READ is unanswered, so nobody who answers may wait for the
    pusher; `push` never waits. Nothing is pushed past the end of a file: that would make it longer.
    `_lock` guards `_waiting`; the rest belongs to the thread.
    """

    def __init__(self, store: Store, counters: Registry, *, refused: Callable[[str], None]) -> None:
        """`store` pushes files; `refused` hears why the kernel takes no more."""
        self.off = ""
        self._refused = refused
        self._store = store
        self._counter = counters.counter(PUSHED)
        self._queue: queue.SimpleQueue[Files] = queue.SimpleQueue()
        self._later: deque[tuple[float, Files]] = deque()
        self._lock = threading.Lock()
        self._waiting = 0
        self._thread = threading.Thread(target=self._work, name="push", daemon=True)
        self._thread.start()

    def push(self, files: Files) -> None:
        """Push `files`, pairs of inode and content, soon."""
        size = sum(len(data) for _, data in files)
        with self._lock:
            if self.off or self._waiting + size > WAITING_MAX:
                return
            self._waiting += size
        self._queue.put(files)

    def close(self) -> bool:
        """Push nothing more; whether the thread has ended. While it has not, the session must stay as it is."""
        self._end("the mount is ending")
        self._queue.put(())
        self._thread.join(PATIENCE)
        return not self._thread.is_alive()

    def _end(self, reason: str) -> None:
        with self._lock:
            self.off = self.off or reason

    def _work(self) -> None:
        while not self.off:
            try:
                files = self._queue.get(timeout=LATER if self._later else None)
            except queue.Empty:
                files = ()
            unknown = self._push(files)
            with self._lock:
                self._waiting -= sum(len(data) for _, data in files)
            self._retry()
            if unknown:
                self._later.append((time.monotonic() + LATER, unknown))

    def _retry(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            self._push(self._later.popleft()[1])

    def _push(self, files: Files) -> Files:
        """Push; those that the kernel does not know."""
        unknown: list[tuple[int, bytes]] = []
        for start in range(0, len(files), BATCH):
            if self.off:
                break
            part = files[start : start + BATCH]
            for (inode, data), outcome in zip(part, self._store(part), strict=False):
                if outcome == 0:
                    self._counter.add(len(data))
                elif outcome == _UNKNOWN:
                    unknown.append((inode, data))
                else:
                    self._refuse(outcome)
        return unknown

    def _refuse(self, number: int) -> None:
        self._end(f"the kernel refuses it: {os.strerror(number)}")
        self._refused(self.off)
