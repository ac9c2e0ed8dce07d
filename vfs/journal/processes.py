"""Who touches a mount: from a thread id to a described process, while it lives."""

from __future__ import annotations

import os
import pwd
import secrets
import time
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import msgspec

from vfs.journal import procfs
from vfs.journal.arguments import Arguments, Request
from vfs.journal.container import container_of
from vfs.journal.ends import Ends
from vfs.journal.executable import Executables, open_executable
from vfs.journal.links import Links
from vfs.journal.masking import masked
from vfs.journal.procfs import Mark, Status
from vfs.model.record import Process

# A chain of parents longer than this is cut.
_CHAIN = 32
# Descriptors of executables held until the next flush.
_HANDLES = 256
_THREADS = 4096
# Processes remembered, some 250 bytes each; one that was forgotten and opens again gets a second key.
_REMEMBERED = 65_536
# How long one that is gone is taken for the process of its number that was met last.
_STILL_ITSELF = 1.0
# The key of the daemon itself, whose own opens (to digest an executable on the mount) are nobody's reads.
OWN = -1
_Identity: TypeAlias = tuple[int, Mark]


class _Reach(NamedTuple):
    """How far up the ancestors of a reader are described: to the root of the run, else within its session.

    What is further up has nothing to do with the reads, and its arguments may hold what nobody meant to record.
    """

    to_root: bool
    uid: int
    session: int


class _Glimpse(NamedTuple):
    """What vanishes with a process, or when it executes another program."""

    arguments: Request
    handle: int
    exe: bytes
    cwd: bytes
    cgroup: bytes

    def drop(self) -> None:
        if self.handle >= 0:
            os.close(self.handle)


class Found(msgspec.Struct):
    """A described process on its way into the journal; `handle` is its executable, -1 for none."""

    process: Process
    arguments: Request
    handle: int

    def complete(self, executables: Executables) -> Process:
        """The process with its arguments and the digest of its executable. Blocks; closes `handle`."""
        handle, self.handle = self.handle, -1
        digest = executables.digest(handle) if handle >= 0 else b""
        return msgspec.structs.replace(self.process, argv=masked(self.arguments.argv), exe_digest=digest)


class Processes:
    """The processes of one session, each with a key that no other process of the session has.

    A process is known by pid, start time and exec mark: a reused pid, or a program that executed another,
    is a new process. Used by one thread (the event loop, or the one that watches opens); `take` hands over what is new.
    """

    def __init__(self, *, root_pid: int | None = None) -> None:
        """`root_pid`: where chains of parents end.

        Without it, and for processes that are not below it: at the leader of the reader's session, or at the first
        ancestor of another user.
        """
        self._root = root_pid
        self._own = os.getpid()
        self._boot = procfs.boot_ns()
        self._threads: dict[int, tuple[Mark, int]] = {}
        self._met: dict[int, tuple[int, float]] = {}
        self._glimpses: dict[int, _Glimpse] = {}
        self._keys: dict[_Identity, int] = {}
        self._latest: dict[int, int] = {}
        self._next = (secrets.randbits(31) << 31) + 1
        # That thread appends while the writing thread takes: a deque needs no lock for that.
        self._found: deque[Found] = deque()
        self._arguments = Arguments()
        self.ends = Ends()
        self.links = Links(root_pid=root_pid)
        self._users: dict[int, str] = {}

    def key_of(self, tid: int) -> int:
        """The key of the process that thread `tid` belongs to, described now if it is new.

        0 when there is no such thread (any more), or when the kernel cannot name it (another pid namespace).
        """
        mark = procfs.mark_of(tid)
        if mark is None:
            return 0
        known = self._threads.get(tid)
        # A process on its way out has no stack any more.
        if known is not None and (known[0] == mark or (not mark.stack and known[0].start == mark.start)):
            return known[1]
        key = self._look_up(tid)
        if len(self._threads) >= _THREADS:
            self._threads.clear()
        self._threads[tid] = (mark, key)
        return key

    def keys_of(self, pids: Iterable[int]) -> tuple[dict[int, int], int]:
        """The keys of processes that did something a moment ago, and how many of them were gone: they have key 0.

        Of those not met before, what vanishes with a process is read before anything else is looked at. One that
        is gone and was met within the last second is still itself: no number is used again that soon.
        """
        now = time.monotonic()
        wanted = set(pids)
        for pid in wanted - self._threads.keys():
            self._glimpses[pid] = self._glimpse(pid)
        keys = {pid: self._lately(pid, self.key_of(pid), now) for pid in wanted}
        for glimpse in self._glimpses.values():
            glimpse.drop()
        self._glimpses.clear()
        return keys, sum(key == 0 for pid, key in keys.items() if pid > 0)

    def _lately(self, pid: int, key: int, now: float) -> int:
        if key == 0:
            known, met = self._met.get(pid, (0, 0.0))
            return known if now - met < _STILL_ITSELF else 0
        if len(self._met) >= _THREADS:
            self._met.clear()
        self._met[pid] = (key, now)
        return key

    def latest(self, pid: int) -> int:
        """The key of the program last described under a number, be it gone; 0 for none."""
        return self._latest.get(pid, 0)

    def take(self) -> list[Found]:
        """The processes described since the last call, parents first."""
        return [self._found.popleft() for _ in range(len(self._found))]

    @property
    def waiting(self) -> int:
        """How many were described and not taken yet."""
        return len(self._found)

    def close(self) -> None:
        """Stop describing; nothing more may be asked."""
        self._arguments.close()
        self.ends.close()

    def _look_up(self, tid: int) -> int:
        status = procfs.status_of(tid)
        if status is None:
            return 0
        return OWN if status.tgid == self._own else self._process(status.tgid, depth=0, reach=None)

    def _process(self, pid: int, *, depth: int, reach: _Reach | None) -> int:
        mark = procfs.mark_of(pid)
        known = self._keys.get((pid, mark)) if mark is not None else 0
        if mark is None or known is not None:
            return known or 0
        status = procfs.status_of(pid)
        if status is None or (reach is not None and not self._wanted(pid, status, reach)):
            return 0
        reach = reach or _Reach(self._below_root(pid), status.uid, procfs.session_of(pid))
        parent = 0 if pid == self._root else self._parent(status, depth=depth, reach=reach)
        if depth and not parent and pid != self._root:
            self.links.leave_out(pid)
        return self._describe(pid, mark, status, parent)

    def _below_root(self, pid: int) -> bool:
        for _ in range(_CHAIN if self._root is not None else 0):
            if pid == self._root:
                return True
            status = procfs.status_of(pid)
            if status is None:
                return False
            pid = status.ppid
        return False

    def _wanted(self, pid: int, status: Status, reach: _Reach) -> bool:
        if reach.to_root or pid <= 1:
            return reach.to_root
        return status.uid == reach.uid and procfs.session_of(pid) == reach.session != 0

    def _parent(self, status: Status, *, depth: int, reach: _Reach) -> int:
        return self._process(status.ppid, depth=depth + 1, reach=reach) if status.ppid > 0 and depth < _CHAIN else 0

    def _describe(self, pid: int, mark: Mark, status: Status, parent: int) -> int:
        key, self._next = self._next, self._next + 1
        seen = self._glimpses.pop(pid, None) or self._glimpse(pid)
        before, started = self.links.program_before(pid, mark, key), procfs.started_ns(self._boot, mark)
        self.ends.watch(key, pid, after=before)
        above = (status.ppid, parent)
        process = Process(
            key=key,
            parent=parent,
            pid=pid,
            started_ns=started,
            ended_ns=0,
            exe=seen.exe,
            exe_digest=b"",
            argv=(),
            cwd=seen.cwd,
            uid=status.uid,
            user=self._user(status.uid),
            container=container_of(seen.cgroup),
            linked=self.links.describe(key, pid, mark, before=before, parent=above, started_ns=started),
        )
        self._arguments.wait_for(seen.arguments)
        self._found.append(Found(process, seen.arguments, seen.handle))
        if len(self._keys) >= _REMEMBERED:
            for old in list(self._keys)[: _REMEMBERED // 2]:
                del self._keys[old]
                self._latest.pop(old[0], None)
        self._keys[pid, mark] = key
        self._latest[pid] = key
        return key

    def _glimpse(self, pid: int) -> _Glimpse:
        return _Glimpse(
            arguments=self._arguments.request(pid),
            handle=open_executable(pid) if len(self._found) + len(self._glimpses) < _HANDLES else -1,
            exe=procfs.link_of(pid, "exe"),
            cwd=procfs.link_of(pid, "cwd"),
            cgroup=procfs.read(f"/proc/{pid}/cgroup"),
        )

    def _user(self, uid: int) -> str:
        if uid not in self._users:
            try:
                self._users[uid] = pwd.getpwuid(uid).pw_name
            except KeyError:
                self._users[uid] = str(uid)
        return self._users[uid]
