"""What /proc says about a process: parsing only, no policy. A process that is gone gives None or empty values."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import NamedTuple

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
# Longer argument vectors are cut: the kernel allows megabytes of them.
ARGV_MAX = 64 * 1024
# Descriptors of a process that are looked at.
ENDS_MAX = 64
_PIPES = (b"pipe:[", b"socket:[")
_STANDARD = (b"0", b"1", b"2")
_NO_FILES = (b"/dev/", b"/proc/", b"/sys/")


class Mark(NamedTuple):
    """What tells one life of a number from the next, one program in a process from the one it executes.

    `start`: clock ticks after boot (a reused number has another). `stack`: where the program's stack begins,
    drawn anew at each exec; 0 when we may not see it.
    """

    start: int
    stack: int


class Status(NamedTuple):
    """The part of /proc/<tid>/status we use: thread group (the process), parent, real user."""

    tgid: int
    ppid: int
    uid: int


class End(NamedTuple):
    """A descriptor through which data may come from another process, or go to it: a pipe, a socket, an open file.

    `what` is the same in all processes that have it: `pipe:[…]`, `socket:[…]`, or a path. `standard`: it is one of the
    three that a program is started with.
    """

    what: bytes
    reads: bool
    writes: bool
    standard: bool = False

    @property
    def is_file(self) -> bool:
        """Whether it is a file, else a pipe or a socket."""
        return self.what.startswith(b"/")

    @property
    def is_pipe(self) -> bool:
        """Whether it is a pipe."""
        return self.what.startswith(b"pipe:")


def read(path: str, limit: int = 8192) -> bytes:
    """Up to `limit` bytes of a /proc file, b"" when it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, limit)
    except OSError:
        return b""
    finally:
        os.close(fd)


def mark_of(tid: int) -> Mark | None:
    """The mark of a thread or process, None when there is none of that number."""
    data = read(f"/proc/{tid}/stat", 1024)
    # The command name may hold anything, `) ` too: fields are counted from the last parenthesis.
    fields = data[data.rfind(b")") + 2 :].split(None, 27)
    try:
        return Mark(int(fields[19]), int(fields[25]))
    except (IndexError, ValueError):
        return None


def status_of(tid: int) -> Status | None:
    """The status of a thread or process, None when there is none of that number."""
    found: dict[bytes, int] = {}
    for line in read(f"/proc/{tid}/status").split(b"\n", 12):
        name, _, rest = line.partition(b":")
        if name in (b"Tgid", b"PPid", b"Uid"):
            found[name] = int(rest.split()[0])
    if len(found) < 3:
        return None
    return Status(found[b"Tgid"], found[b"PPid"], found[b"Uid"])


def session_of(pid: int) -> int:
    """The session of a process, by the pid of its leader; 0 when there is none, or it is not to be seen from here."""
    data = read(f"/proc/{pid}/stat", 1024)
    fields = data[data.rfind(b")") + 2 :].split(None, 4)
    try:
        return int(fields[3])
    except (IndexError, ValueError):
        return 0


def argv_of(pid: int) -> tuple[bytes, ...]:
    """The argument vector, cut at 64 KiB; empty for a kernel thread or a zombie."""
    data = b""
    path = f"/proc/{pid}/cmdline"
    try:
        with open(path, "rb", buffering=0) as file:
            while len(data) < ARGV_MAX and (piece := file.read(ARGV_MAX - len(data))):
                data += piece
    except OSError:
        return ()
    return tuple(data.removesuffix(b"\0").split(b"\0")) if data else ()


def link_of(pid: int, name: str) -> bytes:
    """Where /proc/<pid>/<name> (exe, cwd) points, b"" when we may not see it."""
    try:
        return os.readlink(f"/proc/{pid}/{name}".encode())
    except OSError:
        return b""


def ends_of(pid: int) -> list[End]:
    """The pipes, sockets and files among the first 64 descriptors of a process; none when we may not see them."""
    try:
        return list(_ends(b"/proc/%d/fd/" % pid))
    except OSError:
        return []


def _ends(directory: bytes) -> Iterator[End]:
    for name in os.listdir(directory)[:ENDS_MAX]:
        what = os.readlink(directory + name)
        if what.startswith(_PIPES) or (what.startswith(b"/") and not what.startswith(_NO_FILES)):
            # The mode of the link itself says how the descriptor may be used; the file is not asked.
            mode = os.lstat(directory + name).st_mode
            yield End(what, bool(mode & 0o400), bool(mode & 0o200), name in _STANDARD)


def boot_ns() -> int:
    """When the machine was started, by its present clock; add ticks to it for the time of an event."""
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def started_ns(boot: int, mark: Mark) -> int:
    """The start of a process in nanoseconds since the epoch, to one clock tick (10 ms)."""
    return boot + mark.start * _TICK_NS
