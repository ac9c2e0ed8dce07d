"""The head file beside the database: the last record known to be committed, to notice a cut tail.

One line, `<seq> <hash>`, padded to a fixed length and written in place after the commit, so it may lag
behind the database by what was committed last and is never ahead of it. Losing records at the end
of the database alone is noticed; somebody who rewrites both files is not.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

import msgspec

from vfs.errors import JournalError
from vfs.model.ids import Digest

# 20 digits, a space, 64 hex digits, a newline: one write, well inside a disk sector.
_LINE = 86
# The lock is held for microseconds. A holder that was stopped must not stop the others: a head that lags is allowed.
_ADVANCE_SECONDS = 1.0
_PAUSE = 0.002


class Head(msgspec.Struct, frozen=True):
    """The last committed record that the head file knows."""

    seq: int
    hash: Digest


class HeadFile:
    """The head file, open for the life of the journal. The file lock serialises writers of all processes."""

    def __init__(self, path: str) -> None:
        """Open `path`, made empty (0600) when absent; JournalError."""
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise JournalError(f"{path}: cannot be opened: {error.strerror}") from error

    def read(self) -> Head | None:
        """The head, None while nothing was written; JournalError when the line is damaged."""
        try:
            line = os.pread(self._fd, _LINE + 1, 0)
        except OSError as error:
            raise JournalError(f"{self.path}: cannot be read: {error.strerror}") from error
        return _parse(line, self.path) if line else None

    def advance(self, head: Head) -> None:
        """Write `head` unless the file already names a later record, or cannot be written now: it may lag."""
        with contextlib.suppress(JournalError), self.locked(seconds=_ADVANCE_SECONDS):
            try:
                known = self.read()
            except JournalError:
                known = None
            if known is None or known.seq < head.seq:
                self._write(b"%020d %s\n" % (head.seq, head.hash.hex().encode()))

    def _write(self, line: bytes) -> None:
        try:
            os.pwrite(self._fd, line, 0)
            if os.fstat(self._fd).st_size != _LINE:
                os.ftruncate(self._fd, _LINE)
        except OSError as error:
            raise JournalError(f"{self.path}: cannot be written: {error.strerror}") from error

    @contextlib.contextmanager
    def locked(self, *, seconds: float) -> Iterator[None]:
        """Hold the exclusive lock of the journal's head; JournalError when it cannot be had within `seconds`."""
        end = time.monotonic() + seconds
        while not self._try_lock():
            if time.monotonic() >= end:
                raise JournalError(f"{self.path}: held by another process for over {seconds:.0f} s")
            time.sleep(_PAUSE)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise JournalError(f"{self.path}: cannot be locked: {error.strerror}") from error
        return True

    def close(self) -> None:
        """Release the file."""
        os.close(self._fd)


def _parse(line: bytes, path: str) -> Head:
    try:
        seq, digest = line.split()
        if len(line) != _LINE or len(digest) != 64:
            raise ValueError("wrong length")
        return Head(int(seq), bytes.fromhex(digest.decode("ascii")))
    except ValueError as error:
        raise JournalError(f"{path}: damaged head line: {error}") from error
