"""Opens in a read-only mount as the kernel reports them: which process, which inode."""

from __future__ import annotations

import errno
import os
import stat
from array import array
from collections.abc import Iterable
from typing import NamedTuple

from vfsd.events import ADD, EVENT, FILESYSTEM, ONDIR, OPEN, OPEN_PERM, REMOVE, VERSION, Queue
from vfsd.shim import SHIM, Columns, Shim

# In an inode number: it is that of a directory.
DIRECTORY = 1 << 62
# In the place of a descriptor: the open is not held, reports were lost, one could not be made.
LET_GO, LOST, UNMADE = -1, -2, -3
# Reports taken at once without the shim, as each holds a descriptor meanwhile.
_BATCH = 64
_NOBODY = array("i")


class Opens(NamedTuple):
    """Opens in their order, a row each: the inode, by which process (thread group), the descriptor of one that is held.

    The inode is 0 for what is neither a file nor a directory, and has `DIRECTORY` in it for one. `fds` has one of
    the numbers above for an open that is not held.
    """

    inodes: array[int]
    pids: array[int]
    fds: array[int]

    @property
    def held(self) -> list[int]:
        """Descriptors of the opens whose processes wait."""
        return [fd for fd in self.fds if fd >= 0]


NONE = Opens(array("Q"), array("i"), array("i"))


class Fanotify:
    """One queue of the opens in one file system, under whatever mounts of it. Not thread-safe.

    Who reads it says `go` for each open that is held. At first opens are held: their process waits.
    """

    def __init__(self, path: str, *, bounded: bool = False, shim: Shim = SHIM) -> None:
        """`path` is on the file system; `bounded`: the system's limit on the queue. OSError where it is not allowed."""
        self._take = shim.reports or take
        self._room = Columns.make()
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

    def go(self, held: Iterable[int]) -> None:
        """Let held opens go on, by their descriptors."""
        for fd in held:
            self._queue.allow(fd)
            os.close(fd)

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._queue.fileno()

    def waiting(self) -> int:
        """How many events are in the queue."""
        return self._queue.waiting()

    def read(self, *, familiar: array[int] = _NOBODY, patience_ns: int = 0) -> Opens:
        """Some thousand opens at most, none when the queue is empty; OSError.

        While none but `familiar` processes open files, and none is held, what comes within `patience_ns` is taken too.
        """
        try:
            count = self._take(self._queue.fileno(), self._room, familiar, patience_ns)
        except BlockingIOError:
            return NONE
        return Opens(*(column[:count] for column in self._room))

    def close(self) -> None:
        """Forget what is in the queue; whoever is held goes on."""
        self._queue.close()


def take(queue: int, room: Columns, familiar: array[int], patience_ns: int) -> int:
    """What `Shim.reports` does, in Python and without patience: three system calls an event."""
    try:
        events = list(EVENT.iter_unpack(os.read(queue, EVENT.size * _BATCH)))
    except BlockingIOError:
        raise
    except OSError:
        room.inodes[0], room.pids[0], room.fds[0] = 0, 0, UNMADE
        return 1
    if any(version != VERSION for _, version, *_ in events):
        raise OSError(errno.EPROTO, "events of another version")
    for row, (_, _, _, _, mask, fd, pid) in enumerate(events):
        held = bool(mask & OPEN_PERM)
        room.inodes[row], room.pids[row] = _inode(fd), pid
        room.fds[row] = LOST if fd < 0 else fd if held else LET_GO
        if fd >= 0 and not held:
            os.close(fd)
    return len(events)


def _inode(fd: int) -> int:
    if fd < 0:
        return 0
    found = os.fstat(fd)
    if stat.S_ISDIR(found.st_mode):
        return found.st_ino | DIRECTORY
    return found.st_ino if stat.S_ISREG(found.st_mode) else 0
