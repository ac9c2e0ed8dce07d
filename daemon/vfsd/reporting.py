"""The reporting thread: asks tellers to take what the kernel reports, as it comes."""

from __future__ import annotations

import contextlib
import operator
import os
import select
import threading
import time
from collections import deque
from collections.abc import Sequence

import structlog

from vfs.errors import JournalError
from vfsd.teller import Teller

# A flush gives up after this long; the daemon's own deadline for it is 30 s.
_DRAIN_SECONDS = 25.0
_END_SECONDS = 10.0
_AGAIN_SECONDS = 0.1
# Opens are held again when there was none for this long.
_QUIET_MS = 20
# How soon it is looked whether what waits may be told.
_SETTLE_MS = 2

log = structlog.get_logger("vfsd")


class Reporting:
    """One thread over the groups of some tellers, which it closes. `_turned` guards the numbers of drains."""

    def __init__(self, tellers: Sequence[Teller]) -> None:
        """Begin."""
        self.failure: str | None = None
        self._tellers = tuple(tellers)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._turned = threading.Condition()
        self._asked = self._done = 0
        # Whether something was taken that may not be told yet, and the batches to be told before each drain is done.
        self._waiting = False
        self._promised: deque[tuple[int, list[int]]] = deque()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="vfsd-reports", daemon=True)
        self._thread.start()

    def drain(self, seconds: float = _DRAIN_SECONDS) -> None:
        """Return when the observer knows of all that was done so far; JournalError when that takes too long."""
        with self._turned:
            self._asked = asked = self._asked + 1
            os.eventfd_write(self._wake, 1)
            if not self._turned.wait_for(lambda: self._done >= asked, seconds):
                raise JournalError(f"journal: who wrote which file is still being found out after {seconds:g} s")

    def close(self) -> None:
        """Drain and stop."""
        self._ending = True
        with contextlib.suppress(JournalError):
            self.drain(_END_SECONDS)
        if self._done < self._asked:
            # The thread sits in what it waits for, and keeps the groups until the process ends.
            return
        self._thread.join()
        os.close(self._wake)
        for teller in self._tellers:
            teller.group.close()

    def _run(self) -> None:
        poll = select.poll()
        for fd in (self._wake, *(teller.group.fileno() for teller in self._tellers)):
            poll.register(fd, select.POLLIN)
        while not (self._ending and self._done == self._asked > 0):
            ready = {fd for fd, _ in poll.poll(self._patience())}
            try:
                self._turn(ready)
                self.failure = None
            except Exception as error:
                log.error("reports of the kernel: bug", exc_info=error)
                self.failure = f"reports: {type(error).__name__}: {error}"
                time.sleep(_AGAIN_SECONDS)
                os.eventfd_write(self._wake, 1)

    def _patience(self) -> int | None:
        if self._waiting:
            return _SETTLE_MS
        return None if all(teller.group.holds for teller in self._tellers) else _QUIET_MS

    def _turn(self, ready: set[int]) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        asked = self._asked
        for teller in self._tellers:
            if self._wake in ready or teller.group.fileno() in ready:
                teller.turn()
            elif not ready and not self._waiting:
                teller.quiet()
        if asked > (self._promised[-1][0] if self._promised else self._done):
            self._promised.append((asked, [teller.taken for teller in self._tellers]))
        self._keep_promises()

    def _keep_promises(self) -> None:
        told = [teller.told() for teller in self._tellers]
        self._waiting = told != [teller.taken for teller in self._tellers]
        while self._promised and all(map(operator.ge, told, self._promised[0][1])):
            with self._turned:
                self._done = self._promised.popleft()[0]
                self._turned.notify_all()
