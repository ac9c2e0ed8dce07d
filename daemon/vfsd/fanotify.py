"""Opens in a read-only mount as the kernel reports them: which process, which inode."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from vfsd.events import ADD, EVENT, FILESYSTEM, ONDIR, OPEN, OPEN_PERM, REMOVE, VERSION, Queue
from vfsd.shim import BATCH, SHIM, Shim

# In the place of a descriptor: reports were lost.
LOST = -2


class Told(NamedTuple):
    """An open: by which process (thread group), of which inode, 0 for what is neither a file nor a directory.

    `fd` is -1, but the descriptor by which an open that is held is let go, or `LOST` where reports were.
    """

    pid: int
    inode: int
    fd: int
    directory: bool

    @property
    def held(self) -> bool:
        """Whether the process waits."""
        return self.fd >= 0


class Fanotify:
    """One queue of the opens in one file system, under whatever mounts of it. Not thread-safe.

    Who reads it says `go` for each open that is held. At first opens are held: their process waits.
    """

    def __init__(self, path: str, *, bounded: bool = False, shim: Shim = SHIM) -> None:
        """`path` is on the file system; `bounded`: the system's limit on the queue. OSError where it is not allowed."""
        self._take = shim.opens or take
        self._path = os.fsencode(path)
        self._queue = Queue(bounded=bounded)
        self.holds = True
        try:
            self._queue.mark(ADD | FILESYSTEM, OPEN_PERM | ONDIR, self._path)
        except BaseException:
            self._queue.close()
            raise

    def hold(self, wanted: bool) -> None:
        """Have opens held from now on, or let them go and be told afterwards; OSError. One may be told twice."""
        old, new = (OPEN, OPEN_PERM) if wanted else (OPEN_PERM, OPEN)
        self._queue.mark(ADD | FILESYSTEM, new | ONDIR, self._path)
        self._queue.mark(REMOVE | FILESYSTEM, old, self._path)
        self.holds = wanted

    def go(self, told: Told) -> None:
        """Let a held open go on."""
        self._queue.allow(told.fd)
        os.close(told.fd)

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._queue.fileno()

    def waiting(self) -> int:
        """How many events are in the queue."""
        return self._queue.waiting()

    def read(self) -> Sequence[Told]:
        """Up to 64 events, none when the queue is empty; OSError when one was lost to a failure."""
        try:
            found = self._take(self._queue.fileno())
        except BlockingIOError:
            return ()
        if any(version != VERSION for _, _, _, version, _, _ in found):
            raise OSError(errno.EPROTO, "events of another version")
        return [Told(pid, inode, fd, bool(directory)) for inode, pid, fd, _, _, directory in found]

    def close(self) -> None:
        """Forget what is in the queue; whoever is held goes on."""
        self._queue.close()


def take(queue: int) -> list[tuple[int, int, int, int, int, int]]:
    """What `Shim.opens` does, in Python: three system calls an event, for each of which others get their turn."""
    events = list(EVENT.iter_unpack(os.read(queue, EVENT.size * BATCH)))
    return [_told(pid, fd, version, bool(mask & OPEN_PERM)) for _, version, _, _, mask, fd, pid in events]


def _told(pid: int, fd: int, version: int, held: bool) -> tuple[int, int, int, int, int, int]:
    if fd < 0:
        return 0, pid, LOST, version, held, False
    found = os.fstat(fd)
    if not held:
        os.close(fd)
    directory = stat.S_ISDIR(found.st_mode)
    inode = found.st_ino if directory or stat.S_ISREG(found.st_mode) else 0
    return inode, pid, fd if held else -1, version, held, directory
