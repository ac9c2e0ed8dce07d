"""One lock between processes, and between threads that each hold a `FileLock` of their own."""

from __future__ import annotations

import fcntl
import os
import random
import time
from types import TracebackType

from vfs.errors import Busy
from vfs.files.translate import local_error

# flock has no timeout: ask again after 1 ms, at most every 20 ms, jittered so that twenty waiters do not march in step.
_FIRST_WAIT = 0.001
_LONGEST_WAIT = 0.020


class FileLock:
    """An exclusive `flock` on the file `path`, which is made when absent and never removed.

    Invariant: `held` is true exactly while this object owns the lock. The kernel drops the lock when the
    process ends, however it ends. One object belongs to one thread; the lock is not re-entrant.
    Removing the file while it is locked would let a second holder in, so nothing does.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 30.0, mode: int = 0o600) -> None:
        """`timeout`: seconds that entering waits before Busy; `mode`: of the file when it is made."""
        self.path = os.fspath(path)
        self.timeout = timeout
        self._mode = mode
        self._fd = -1

    @property
    def held(self) -> bool:
        """True while this object owns the lock."""
        return self._fd >= 0

    def try_lock(self) -> bool:
        """Take the lock if nobody has it; whether it is ours now. LocalDenied, LocalIOError."""
        if self.held:
            raise Busy(f"{self.path}: already locked by this process")
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, self._mode)
        except OSError as error:
            raise local_error(self.path, "locked", error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        except OSError as error:
            os.close(fd)
            raise local_error(self.path, "locked", error) from error
        self._fd = fd
        return True

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> FileLock:
        """Wait for the lock for at most `timeout` seconds, then Busy."""
        end = time.monotonic() + self.timeout
        wait = _FIRST_WAIT
        while not self.try_lock():
            if time.monotonic() >= end:
                raise Busy(f"{self.path}: locked by another process, waited {self.timeout:g} s")
            time.sleep(wait * (0.5 + random.random()))
            wait = min(2 * wait, _LONGEST_WAIT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back."""
        self.release()
