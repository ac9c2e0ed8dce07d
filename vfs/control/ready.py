"""How a daemon tells whoever started it that the mount answers, or why there is none: one JSON line on a pipe."""

from __future__ import annotations

import os
import select
import time

import msgspec

from vfs.errors import DaemonError, VfsError, from_wire

_LINE_MAX = 64 << 10


class Ready(msgspec.Struct, frozen=True, omit_defaults=True):
    """Mounted when `code` is empty, else the wire code and message of what went wrong."""

    code: str = ""
    message: str = ""


def announce(fd: int, error: VfsError | None = None) -> bool:
    """Write the one line to the pipe `fd` and close it; False when nobody waits for it any more."""
    said = Ready() if error is None else Ready(error.wire, str(error))
    try:
        os.write(fd, msgspec.json.encode(said) + b"\n")
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(fd)


def await_ready(fd: int, *, timeout: float) -> Ready | None:
    """What the daemon said; None when it ended without a word. DaemonError after `timeout` seconds of silence."""
    end = time.monotonic() + timeout
    line = b""
    while not line.endswith(b"\n") and len(line) < _LINE_MAX:
        rest = end - time.monotonic()
        if rest <= 0 or not select.select([fd], [], [], rest)[0]:
            raise DaemonError(f"vfsd: not ready after {timeout:g} s")
        piece = os.read(fd, _LINE_MAX)
        if not piece:
            return None
        line += piece
    try:
        return msgspec.json.decode(line, type=Ready)
    except msgspec.MsgspecError as error:
        raise DaemonError(f"vfsd: what it says is not understood: {error}") from error


def raise_unless_ready(said: Ready) -> None:
    """The error that the daemon reported, if any."""
    if said.code:
        raise from_wire(said.code, said.message)
