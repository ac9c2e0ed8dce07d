"""The control socket: one JSON request per line from the owner of the mount or root, one reply each."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping

import msgspec
import structlog
import trio

from vfs.control.protocol import LINE_MAX, Reply, Request, decode_request, encode_line, error_reply
from vfs.errors import DaemonError, VfsError
from vfsd.listening import listen_unix, serve_peers

# A command makes one connection for a moment; a monitor may keep some.
CONNECTIONS_MAX = 32
IDLE_SECONDS = 60.0
_PIECE = 64 << 10
_UCRED = struct.Struct("3i")

log = structlog.get_logger("vfsd.control")

Action = Callable[[Request], Awaitable[object]]


class ControlServer:
    """Serves `actions` by the `do` of a request.

    Nothing a peer sends or leaves out ends more than its own connection: a line above 1 MiB, junk, silence for a
    minute, one connection too many. Used in the event loop only.
    """

    def __init__(
        self,
        path: str,
        actions: Mapping[str, Action],
        *,
        idle_seconds: float = IDLE_SECONDS,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        """Listen on `path`, a name not taken yet; `serve` answers."""
        self._actions = actions
        self._idle = idle_seconds
        self._max = connections_max
        self._listener = listen_unix(path)

    async def serve(self) -> None:
        """Answer until cancelled."""
        await serve_peers([self._listener], self._converse, at_most=self._max)

    async def _converse(self, stream: trio.SocketStream) -> None:
        if not _allowed(stream):
            return
        held = bytearray()
        while True:
            line = await self._line(stream, held)
            if line is None:
                return
            with trio.move_on_after(self._idle) as scope:
                await stream.send_all(encode_line(await self._answer(line)))
            if scope.cancelled_caught:
                return

    async def _line(self, stream: trio.SocketStream, held: bytearray) -> bytes | None:
        """The next line; None when the peer is done, silent or talks too much. `held` keeps what follows it."""
        searched = 0
        with trio.move_on_after(self._idle):
            while True:
                end = held.find(b"\n", searched)
                if end >= 0:
                    line = bytes(held[:end])
                    del held[: end + 1]
                    return line
                searched = len(held)
                if searched > LINE_MAX:
                    await stream.send_all(encode_line(error_reply(DaemonError("request: over 1 MiB"))))
                    return None
                piece = await stream.receive_some(_PIECE)
                if not piece:
                    return None
                held += piece
        return None

    async def _answer(self, line: bytes) -> Reply:
        try:
            request = decode_request(line)
            action = self._actions.get(request.do)
            if action is None:
                raise DaemonError(f"request: '{request.do[:40]}': not known to this daemon")
            result = await action(request)
            return Reply(id=request.id, result=msgspec.Raw(msgspec.json.encode(result)))
        except VfsError as error:
            return error_reply(error)
        except Exception as error:
            log.error("control: bug", exc_info=error)
            return error_reply(DaemonError(f"request: bug in the daemon: {type(error).__name__}: {error}"))


def _allowed(stream: trio.SocketStream) -> bool:
    """True when the peer is the user of this daemon, or root."""
    data = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return _UCRED.unpack(data)[1] in (0, os.geteuid())
