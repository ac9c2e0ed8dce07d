"""What went wrong lately, for `status` and for the log; a fault that repeats fills neither."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

import structlog

from vfs.control.protocol import Trouble
from vfs.errors import NotFound, Refused, UsageError, VfsError

# As many as a person reads; each at most one log line a minute, so that a program that reads a damaged file
# in a loop cannot fill the disk.
_KEPT = 50
_SAY_AGAIN_NS = 60 * 10**9

log = structlog.get_logger("vfsd")


class Troubles:
    """The last faults by their text, newest last. `_lock` guards them: status asks from another thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Trouble] = OrderedDict()
        self._said: dict[str, int] = {}
        self._lock = threading.Lock()

    def note(self, what: str, **details: object) -> None:
        """Remember and log `what`."""
        count = self._remember(what)
        if count:
            log.warning(what, count=count, **details)

    def _remember(self, what: str) -> int:
        """How often it happened; 0 when that was said less than a minute ago."""
        with self._lock:
            now, before = time.time_ns(), self._kept.pop(what, None)
            count = before.count + 1 if before else 1
            self._kept[what] = Trouble(now, count, what)
            if len(self._kept) > _KEPT:
                self._said.pop(self._kept.popitem(last=False)[0], None)
            # The clock may have been set back: then say it, too.
            if 0 <= now - self._said.get(what, 0) < _SAY_AGAIN_NS:
                return 0
            self._said[what] = now
            return count

    def note_error(self, doing: str, error: Exception) -> int:
        """Remember `error` unless it only says no to somebody; the errno to answer with."""
        if not isinstance(error, VfsError):
            self.note(f"{doing}: bug: {type(error).__name__}: {error}", exc_info=error)
            return VfsError.errno
        if not isinstance(error, NotFound | Refused | UsageError):
            self.note(f"{doing}: {error}")
        return error.errno

    def newest_first(self) -> list[Trouble]:
        """What is remembered."""
        with self._lock:
            return list(reversed(self._kept.values()))
