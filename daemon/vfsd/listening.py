"""Sockets of the daemon, reachable by its user only."""

from __future__ import annotations

import os
import socket

import trio

from vfs.control.place import reachable
from vfs.errors import DaemonError
from vfs.files.translate import cause_of

_BACKLOG = 64


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
