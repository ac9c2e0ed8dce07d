"""Programs that are interrupted while they wait for the store are let go at once.

The kernel reports every signal. A request is given up, with EINTR, when the signal ends the program or asks it to
end; other signals change nothing, for a program does not expect EINTR from a file.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TypeVar

import trio

from vfsd.shim import Shim

T = TypeVar("T")

_NEWS = struct.Struct("=QQ")
_ASKING = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGKILL})
# What does nothing to a program that has said nothing about it.
_HARMLESS = frozenset({
    signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH,
    signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU,
})  # fmt: skip
_number: ContextVar[int] = ContextVar("number", default=0)


class Interrupted(Exception):
    """Nobody waits for the answer to this request any more. Never leaves the daemon: EINTR to the kernel."""


class Interrupts:
    """The requests that wait, by number. Belongs to the event loop."""

    def __init__(self, shim: Shim) -> None:
        self._shim = shim
        self._waiting: dict[int, trio.CancelScope] = {}
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        fcntl.fcntl(self._read, fcntl.F_SETPIPE_SZ, 1 << 16)
        shim.report_interrupts(self._write)

    def begin(self) -> None:
        """A handler starts: remember which request it answers. Must come before its first wait."""
        _number.set(self._shim.request())

    async def wait(self, call: Callable[[], Awaitable[T]]) -> T:
        """`call()`; Interrupted when the program that waits for it is ended meanwhile."""
        number = _number.get()
        with trio.CancelScope() as scope:
            self._waiting[number] = scope
            try:
                return await call()
            finally:
                self._waiting.pop(number, None)
        raise Interrupted

    async def listen(self) -> None:
        """Heed the kernel's reports until cancelled."""
        try:
            while True:
                await trio.lowlevel.wait_readable(self._read)
                for number, thread in _NEWS.iter_unpack(os.read(self._read, _NEWS.size * 64)):
                    scope = self._waiting.get(number)
                    if scope is not None and is_ending(thread):
                        scope.cancel()
        finally:
            self._shim.report_interrupts(-1)
            os.close(self._read)
            os.close(self._write)


def is_ending(thread: int) -> bool:
    """Whether a signal is pending for a thread that ends it or asks it to end; True when the thread is gone."""
    try:
        with open(f"/proc/{thread}/status", encoding="ascii", errors="replace") as file:
            lines = dict(line.split(":\t", 1) for line in file if line.startswith(("Sig", "Shd")))
        sets = {name: int(lines[name], 16) for name in ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")}
    except (OSError, KeyError, ValueError):
        return True
    pending = (sets["SigPnd"] | sets["ShdPnd"]) & ~sets["SigBlk"] & ~sets["SigIgn"]
    numbers = {number for number in range(1, 65) if pending & 1 << (number - 1)}
    uncaught = {number for number in numbers if not sets["SigCgt"] & 1 << (number - 1)}
    return bool(numbers & _ASKING or uncaught - _HARMLESS)
