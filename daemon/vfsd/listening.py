"""Sockets of the daemon, reachable by its user only."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Sequence

import structlog
import trio

from vfs.control.place import reachable
from vfs.errors import DaemonError
from vfs.files.translate import cause_of

_BACKLOG = 64

log = structlog.get_logger("vfsd")

Converse = Callable[[trio.SocketStream], Awaitable[None]]


async def serve_peers(listeners: Sequence[trio.SocketListener], converse: Converse, *, at_most: int) -> None:
    """Have `converse` with each peer, `at_most` at a time; one too many is hung up on.

    Whatever happens in a conversation ends that one only. Serves until cancelled.
    """
    talking = 0

    async def connected(stream: trio.SocketStream) -> None:
        nonlocal talking
        async with stream:
            if talking >= at_most:
                return
            talking += 1
            try:
                await converse(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            except Exception as error:
                log.error("a connection failed", exc_info=error)
            finally:
                talking -= 1

    await trio.serve_listeners(connected, list(listeners))


def listen_unix(path: str) -> trio.SocketListener:
    """A listening Unix socket at `path`, mode 0600."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        with reachable(path) as address:
            sock.bind(address)
            os.chmod(path, 0o600)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise DaemonError(f"{path}: cannot listen: {cause_of(error)}") from error
    return _listener(sock)


def listen_loopback(port: int) -> trio.SocketListener:
    """A listening TCP socket on 127.0.0.1; 0 takes a free port."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise DaemonError(f"127.0.0.1:{port}: cannot listen: {cause_of(error)}") from error
    return _listener(sock)


def _listener(sock: socket.socket) -> trio.SocketListener:
    sock.setblocking(False)
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))
