"""Asking a daemon over its control socket."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from vfs.control.place import Place, reachable
from vfs.control.protocol import LINE_MAX, PROTOCOL, Reply, Request, Status, encode_line
from vfs.errors import DaemonError, from_wire
from vfs.files.translate import cause_of

T = TypeVar("T")
# A flush waits for the journal, which may wait for another writer; anything else answers in a millisecond.
_PATIENCE = 30.0


class Client:
    """One connection to the daemon of the mount in `place`. A context manager; one call at a time.

    DaemonError when the daemon cannot be reached or does not answer in `timeout` seconds; an error that
    the daemon reports is raised as what it is.
    """

    def __init__(self, place: Place, *, timeout: float = _PATIENCE) -> None:
        self._id = place.id
        self._serial = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            with reachable(place.control) as address:
                self._socket.connect(address)
        except OSError as error:
            self._socket.close()
            raise DaemonError(f"mount {self._id}: its daemon cannot be reached: {cause_of(error)}") from error
        self._lines = self._socket.makefile("rb")

    def status(self) -> Status:
        """How the daemon is."""
        return self._decode(self._call("status"), Status)

    def stats(self) -> dict[str, float]:
        """All its metrics by name."""
        return self._decode(self._call("stats"), dict[str, float])

    def flush(self) -> None:
        """Make every open answered so far durable in the journal."""
        self._call("flush")

    def stop(self, *, lazy: bool = False) -> None:
        """Ask it to unmount and end: at once when `lazy`, else when nobody uses the mount, at most 10 s from now."""
        self._call("stop", lazy=lazy)

    def watch_run(self, pid: int, *, outside: bool) -> str:
        """Have it record who writes the files in /pfs/out as the process `pid` sees it, which is to wait meanwhile.

        With `outside` also which files are opened outside of /pfs. Why it does not, "" when it does.
        """
        return self._decode(self._call("watch", pid=pid, outside=outside), str)

    def watch_shell(self, pid: int, *, shown: str, upper: str) -> str:
        """Have it record who writes the files of the overlay that the process `pid`, which is to wait meanwhile, sees.

        It is mounted at `shown`, and the files lie in the directory `upper`. Why it does not, "" when it does.
        """
        return self._decode(self._call("watch", pid=pid, shown=shown, upper=upper), str)

    def _call(
        self, do: str, *, lazy: bool = False, pid: int = 0, outside: bool = False, shown: str = "", upper: str = ""
    ) -> msgspec.Raw:
        self._serial += 1
        request = Request(do=do, id=self._serial, lazy=lazy, pid=pid, outside=outside, shown=shown, upper=upper)
        try:
            self._socket.sendall(encode_line(request))
            line = self._lines.readline(LINE_MAX + 1)
        except OSError as error:
            raise DaemonError(f"mount {self._id}: its daemon does not answer: {cause_of(error)}") from error
        if not line.endswith(b"\n"):
            raise DaemonError(f"mount {self._id}: its daemon closed the connection")
        reply = self._decode(line, Reply)
        if reply.v != PROTOCOL or reply.id not in (0, self._serial):
            raise DaemonError(f"mount {self._id}: its daemon speaks protocol {reply.v}, this vfs speaks {PROTOCOL}")
        if reply.code:
            raise from_wire(reply.code, reply.message)
        return reply.result

    def _decode(self, data: bytes | msgspec.Raw, type_: type[T]) -> T:
        try:
            return msgspec.json.decode(data, type=type_)
        except msgspec.MsgspecError as error:
            raise DaemonError(f"mount {self._id}: its daemon's answer is not understood: {error}") from error

    def close(self) -> None:
        """End the connection."""
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
