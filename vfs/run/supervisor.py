"""One command and all that comes of it: started, given the signals meant for it, waited for, and left by nobody.

The supervisor adopts what the command leaves behind (it is their "subreaper"), and ends it when the command has
ended: so what is in the output directory then is all there will ever be. Called in a process of one thread
that has nothing else to do.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vfs.errors import DaemonError
from vfs.files.translate import cause_of
from vfs.workspace import syscalls

PASSED_ON = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2})
NOT_FOUND, NOT_EXECUTABLE = 127, 126
# What outlives the command gets this long after SIGTERM, then SIGKILL.
GRACE_SECONDS = 2.0
# Give up on what does not even die of SIGKILL: it sits in the kernel, waiting for a device.
LAST_SECONDS = 10.0
# How long a command whose runner was killed gets after SIGTERM.
_ORPHAN_SECONDS = 10.0
# A signal to the whole process group reaches us before the runner's copy of it, which comes within this time.
_ECHO_SECONDS = 1.0
# Python ignores these for itself; the command is to find them as usual.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (128 + signal when killed), and how many processes it left to be ended."""

    code: int
    leftovers: int


class Supervisor:
    """Runs one command. `runner` is the process that passes on signals, our parent.

    It starts us with those signals blocked; `mask` are the signals that the command is to find blocked.
    """

    def __init__(self, runner: int, mask: Iterable[int]) -> None:
        self._runner = runner
        self._mask = frozenset(mask)
        self._direct: dict[int, float] = {}
        self._orphaned_at: float | None = None
        self._watched = {*PASSED_ON, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, self._watched)
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        # Should the runner be killed, nobody would commit what the command does: it is asked to end.
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != runner:
            raise DaemonError("run: its runner ended before the command was started")

    def run(self, command: Sequence[bytes], environment: Mapping[bytes, bytes]) -> Ended:
        """Run `command` to its end, and then end what it left."""
        child = os.fork()
        if child == 0:
            self._execute(command, environment)
        code = self._wait(child)
        return Ended(code, self._end_leftovers())

    def _execute(self, command: Sequence[bytes], environment: Mapping[bytes, bytes]) -> None:
        """Become the command; never returns."""
        try:
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
            for number in _IGNORED_BY_PYTHON:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            os.execvpe(command[0], list(command), environment)
        except Exception as error:
            missing = isinstance(error, FileNotFoundError)
            cause = cause_of(error) if isinstance(error, OSError) else str(error)
            cause = "command not found" if missing else f"cannot be executed: {cause}"
            print(f"vfs: {os.fsdecode(command[0])}: {cause}", file=sys.stderr, flush=True)
            os._exit(NOT_FOUND if missing else NOT_EXECUTABLE)
        finally:
            # Two processes must never go on as the one that waits for the command.
            os._exit(NOT_EXECUTABLE)

    def _wait(self, child: int) -> int:
        while True:
            info = self._next_signal()
            if info is None:
                os.kill(child, signal.SIGKILL)
            elif info.si_signo != signal.SIGCHLD:
                self._pass_on(child, info)
            else:
                status = self._reap(child)
                if status is not None:
                    return _exit_code(status)

    def _next_signal(self) -> signal.struct_siginfo | None:
        """The next signal; None when the runner is gone, and the command goes on after it was asked to end."""
        if self._orphaned_at is None:
            return signal.sigwaitinfo(self._watched)
        left = self._orphaned_at + _ORPHAN_SECONDS - time.monotonic()
        return signal.sigtimedwait(self._watched, max(left, 0.1))

    def _pass_on(self, child: int, info: signal.struct_siginfo) -> None:
        """Once for each time it was meant: Ctrl-C and a kill of the whole group reach the command without us."""
        now, number = time.monotonic(), info.si_signo
        if os.getppid() != self._runner:
            self._orphaned_at = self._orphaned_at or now
            os.kill(child, number)
        elif info.si_pid != self._runner:
            self._direct[number] = now
        elif now - self._direct.pop(number, -math.inf) >= _ECHO_SECONDS:
            os.kill(child, number)

    def _reap(self, child: int) -> int | None:
        """Take the status of everything that ended; that of `child`, if it is among them."""
        found = None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return found
            if pid == 0:
                return found
            if pid == child:
                found = status

    def _end_leftovers(self) -> int:
        """End all processes that the command left; how many there were."""
        seen: set[int] = set()
        begin = time.monotonic()
        while (children := _children()) and time.monotonic() - begin < GRACE_SECONDS + LAST_SECONDS:
            late = time.monotonic() - begin >= GRACE_SECONDS
            for pid in children:
                if late or pid not in seen:
                    _kill(pid, signal.SIGKILL if late else signal.SIGTERM)
            seen.update(children)
            signal.sigtimedwait({signal.SIGCHLD}, 0.02)
            self._reap(0)
        return len(seen)


def _children() -> list[int]:
    """The processes whose parent we are and that have not ended."""
    pid = os.getpid()
    try:
        with open(f"/proc/self/task/{pid}/children", "rb") as file:
            found = [int(word) for word in file.read().split()]
    except FileNotFoundError:
        # A kernel without that list: whoever names us as its parent.
        found = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [child for child in found if _parent_of(child) == pid]


def _parent_of(pid: int) -> int:
    """The parent of a process; 0 for one that has ended, waited for or not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, parent = file.read().rpartition(b") ")[2].split()[:2]
    except OSError:
        return 0
    return 0 if state == b"Z" else int(parent)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
        # One that is stopped would not see a SIGTERM.
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


def _exit_code(status: int) -> int:
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
