"""What the runner and the process that enters its namespace say to each other, over a pair of sockets.

The process that enters says that it is ready and waits to be told to go on; the runner has its namespace watched
meanwhile. It says how the command ended and waits again, until the runner hangs up: the namespace stays as long,
so that what the kernel reported of it can still be looked up. Whoever finds the other one gone ends.
"""

from __future__ import annotations

import contextlib
import json
import os
from types import TracebackType
from typing import Self

_MESSAGE_MAX = 1 << 16
READY: dict[str, object] = {"ready": True}


class Conversation:
    """The runner's end. A context manager that hangs up."""

    def __init__(self) -> None:
        # The process that enters, which uses the rest of this module, is up sooner without it.
        import socket

        # Each message arrives whole, or not at all.
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    @property
    def theirs(self) -> int:
        """The descriptor of the other end, for the process to inherit."""
        return self._theirs.fileno()

    def begun(self) -> None:
        """The other end belongs to the process that inherited it, if any."""
        self._theirs.close()

    def hear(self) -> bytes:
        """What the process says next; b"" when it ended."""
        with contextlib.suppress(ConnectionResetError):
            return self._ours.recv(_MESSAGE_MAX)
        return b""

    def go(self) -> None:
        """Let the process go on."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._ours.send(b"go")

    def close(self) -> None:
        """Hang up."""
        self._ours.close()
        self._theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def is_ready(said: bytes) -> bool:
    """Whether the process waits to be told to go on."""
    return said == json.dumps(READY).encode("ascii")


def say(fd: int, what: dict[str, object]) -> None:
    """Say it to the runner, from the other end."""
    try:
        os.write(fd, json.dumps(what).encode("ascii"))
    except (BrokenPipeError, ConnectionResetError):
        # The runner is gone, and nobody else wants to know.
        return


def may_go(fd: int) -> bool:
    """Say that we are ready, and wait for the runner; False when it hung up."""
    say(fd, READY)
    return told_to_go(fd)


def told_to_go(fd: int) -> bool:
    """Wait for the runner, at the other end; False when it hung up."""
    try:
        return os.read(fd, _MESSAGE_MAX) != b""
    except ConnectionResetError:
        return False
