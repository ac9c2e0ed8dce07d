"""The watching thread: takes opens off the kernel's queue and tells the observer, where nobody asks to open a file."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from array import array

import structlog

from vfs.errors import JournalError
from vfs.journal.observe import Observer
from vfs.journal.processes import OWN
from vfs.metrics.counters import Counter
from vfsd.fanotify import LOST, NONE, UNMADE, Fanotify, Opens
from vfsd.filesystem import FileSystem
from vfsd.told import UNKNOWN, Told

OVERRUN = "opens that the kernel could not queue; each may stand for many"
UNREPORTED = "opens that the kernel could not report"
# Opens taken off the queue and not yet looked up: until it is taken off, an open pins the mount.
_TAKEN_MAX = 20_000
# A flush gives up after this long; the daemon's own deadline for it is 30 s.
_DRAIN_SECONDS = 25.0
# What is still to be looked up at the end, with the store out of reach, counts as lost after this long.
_END_SECONDS = 10.0
_AGAIN_SECONDS = 0.1
# Opens in a row by processes that were met before, after which they are let go: 8 ms of them.
_FAMILIAR = 128
# Opens are held again when there was none for this long.
_QUIET_MS = 20
# Opens that are held are looked up when there was none for this long.
_MOMENT_MS = 1
# Opens by familiar processes are gathered for this long.
_PATIENCE_NS = 20_000_000
# Processes remembered, and how many of them, those met last, are familiar.
_PIDS = 4096
_FAMILIARS = 64

log = structlog.get_logger("vfsd")


class Watch:
    """One thread between the kernel's queue and an observer, whose one caller it is.

    An open is held until its process is described, as one that lives for a millisecond must be. While processes
    that were met before open one file after another, holding would only slow them down: then opens are let go and told
    afterwards, until one by another process is among them, or nobody opens anything. Files are looked up when the queue
    stays empty. `_turned` guards the numbers of drains asked for and done.
    """

    def __init__(self, queue: Fanotify, files: FileSystem, observer: Observer, observed: Counter) -> None:
        """Nothing is read before `start`."""
        self.failure: str | None = None
        self._queue = queue
        self._observer = observer
        self._told = Told(files, observer, observed)
        self._own = os.getpid()
        self._met: dict[int, int] = {}
        self._familiar = 0
        self._familiars = array("i")
        self._taken: list[tuple[int, int]] = []
        self._poll = select.poll()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._turned = threading.Condition()
        self._asked = self._done = 0
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="vfsd-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def drain(self, seconds: float = _DRAIN_SECONDS) -> None:
        """Return when the observer knows of every open so far; JournalError when that takes too long."""
        asked = self.ask()
        with self._turned:
            if not self._turned.wait_for(lambda: self.reached(asked), seconds):
                raise JournalError(f"journal: opens of files are still being looked up after {seconds:g} s")

    def ask(self) -> int:
        """Ask that the observer be told of every open so far; the number by which `reached` says that it was."""
        with self._turned:
            self._asked += 1
            os.eventfd_write(self._wake, 1)
            return self._asked

    def reached(self, asked: int) -> bool:
        """Whether the observer knows of every open before that `ask`."""
        return self._done >= asked

    def close(self) -> None:
        """Drain and stop; what cannot be looked up in time is a gap."""
        self._ending = True
        with contextlib.suppress(JournalError):
            self.drain(_END_SECONDS)
        if self._done < self._asked:
            self._observer.lose(self._queue.waiting() + len(self._taken), UNKNOWN)
            return
        self._thread.join()
        self._queue.close()
        os.close(self._wake)

    def _run(self) -> None:
        for fd in (self._queue.fileno(), self._wake):
            self._poll.register(fd, select.POLLIN)
        while not (self._ending and self._done == self._asked > 0):
            quiet = not self._poll.poll(None if self._queue.holds else _QUIET_MS)
            try:
                if quiet:
                    self._familiar = 0
                    self._queue.hold(True)
                self._turn()
                self.failure = None
            except Exception as error:
                log.error("watching opens: bug", exc_info=error)
                self.failure = f"opens: {type(error).__name__}: {error}"
                self._observer.lose(1, UNREPORTED)
                time.sleep(_AGAIN_SECONDS)
                os.eventfd_write(self._wake, 1)

    def _turn(self) -> None:
        """Until the queue is empty; while others fill it, all that was in it when the turn began, at least."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        asked, left = self._asked, self._queue.waiting()
        while (opens := self._read()).pids:
            self._take(opens)
            left -= len(opens.pids)
            if len(self._taken) >= _TAKEN_MAX:
                self._look_up()
                if left <= 0:
                    break
        self._look_up()
        with self._turned:
            self._done = asked
            self._turned.notify_all()

    def _read(self) -> Opens:
        if self._queue.holds:
            # Who is let go opens its next file at once, and would wait for the look-up of this one.
            return self._queue.read() if not self._taken or self._coming() else NONE
        return self._queue.read(familiar=self._familiars, patience_ns=_PATIENCE_NS)

    def _coming(self) -> bool:
        """Whether there are opens: at once when somebody asks for a drain, else within a moment."""
        return self._queue.fileno() in [fd for fd, _ in self._poll.poll(_MOMENT_MS)]

    def _take(self, opens: Opens) -> None:
        try:
            keys = self._observer.keys({pid for pid in set(opens.pids) if pid not in (0, self._own)})
        except Exception:
            self._observer.lose(len(opens.pids), UNREPORTED)
            raise
        finally:
            self._queue.go(opens.held)
        self._count_lost(opens)
        self._get_to_know(keys, len(opens.pids))
        keys.update({0: OWN, self._own: OWN})
        self._taken.extend(zip(map(keys.__getitem__, opens.pids), opens.inodes, strict=True))

    def _count_lost(self, opens: Opens) -> None:
        if lost := opens.fds.count(LOST):
            self._observer.lose(lost, OVERRUN)
        if unmade := opens.fds.count(UNMADE):
            log.warning("an open could not be reported")
            self._observer.lose(unmade, UNREPORTED)

    def _get_to_know(self, keys: dict[int, int], opens: int) -> None:
        """Hold opens as long as processes are among them that were not met before."""
        known = all(self._met.get(pid) == key for pid, key in keys.items())
        self._familiar = self._familiar + opens if known else 0
        if not known:
            if len(self._met) > _PIDS:
                self._met.clear()
            self._met.update(keys)
            self._familiars = array("i", [self._own, *list(self._met)[-_FAMILIARS:]])
        if self._queue.holds is (self._familiar >= _FAMILIAR):
            self._queue.hold(not self._queue.holds)

    def _look_up(self) -> None:
        taken, self._taken = self._taken, []
        try:
            self._told.tell(taken)
        except Exception:
            self._observer.lose(len(taken), UNREPORTED)
            raise
