"""Waiting for the process that runs a command, and passing on the signals that reach us meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from vfs.run.supervisor import PASSED_ON


class SignalPassing:
    """While this context lasts, signals sent to us go to one process instead of ending us.

    What comes before `start` is passed on then. What our caller ignores (as `nohup` has it) stays ignored. In a
    thread other than the main one nothing is passed on: Python delivers signals to the main thread alone.
    """

    def __init__(self) -> None:
        self.mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._before: dict[int, Any] = {}

    def start(self, spawn: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        """Start the process with our signals blocked, so that none finds it unprepared; `mask` is for it to restore."""
        self.mask = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        try:
            self._process = spawn()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)
        for number in self._early:
            self._pass_on(number, None)
        return self._process

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        elif self._process.returncode is None:
            # Not waited for yet, so the pid is still that of our child.
            os.kill(self._process.pid, number)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in PASSED_ON:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._pass_on)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
