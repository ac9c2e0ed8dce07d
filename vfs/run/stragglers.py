"""Processes in the namespace of a run whose supervisor was killed: nobody waits for them, and they still write."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

# One that does not even die of SIGKILL sits in the kernel, waiting for a device.
_PATIENCE = 10.0
_PAUSE = 0.02


class Stragglers:
    """Whoever is in the mount namespace of a process that has one of its own.

    Invariant: the namespace stays while this is open, so no other one gets its number meanwhile. Nobody where it cannot
    be looked at, or is our own.
    """

    def __init__(self, pid: int) -> None:
        self._fd = -1
        self._namespace = (0, 0)
        with suppress(OSError):
            self._fd = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            found = os.fstat(self._fd)
            self._namespace = (found.st_dev, found.st_ino)

    def end(self) -> None:
        """Kill them all, and return when they are gone, or do not go for ten seconds."""
        if self._fd < 0 or self._namespace == _namespace_of("self"):
            return
        end = time.monotonic() + _PATIENCE
        while self._kill_all() and time.monotonic() < end:
            time.sleep(_PAUSE)

    def _kill_all(self) -> int:
        """Send SIGKILL to each; how many there were."""
        found = [name for name in os.listdir("/proc") if name.isdigit() and _namespace_of(name) == self._namespace]
        for name in found:
            _kill(name, self._namespace)
        return len(found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _kill(name: str, namespace: tuple[int, int]) -> None:
    """Kill a process if it is in that namespace still; not one that is gone, or is another user's."""
    with suppress(ProcessLookupError, PermissionError):
        fd = os.pidfd_open(int(name))
        try:
            # By now the number may be another process's.
            if _namespace_of(name) == namespace:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        finally:
            os.close(fd)


def _namespace_of(name: str) -> tuple[int, int] | None:
    """The mount namespace of a process, None for one that is gone or cannot be looked at."""
    try:
        found = os.stat(f"/proc/{name}/ns/mnt")
    except OSError:
        return None
    return found.st_dev, found.st_ino
