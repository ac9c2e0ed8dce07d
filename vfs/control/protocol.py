"""The control protocol: newline-separated JSON objects over a Unix socket, one reply to each request.

A request says its version, so that a newer command and an older daemon find out before they misunderstand
each other. An error travels as the wire code and the message of a `VfsError`.
"""

from __future__ import annotations

import msgspec

from vfs.errors import DaemonError, VfsError

PROTOCOL = 1
# A request is some 60 bytes, a status some 4 KiB; whoever sends more is not speaking this protocol.
LINE_MAX = 1 << 20


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """`do` is status, stats, flush, stop or watch. `id` is given back in the reply.

    `lazy` is for stop; `pid`, `outside`, `shown` and `upper` for watch, see `Client.watch_run` and `watch_shell`.
    """

    do: str
    v: int = PROTOCOL
    id: int = 0
    lazy: bool = False
    pid: int = 0
    outside: bool = False
    shown: str = ""
    upper: str = ""


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """Either `result`, or `code` and `message` of an error."""

    v: int = PROTOCOL
    id: int = 0
    result: msgspec.Raw = msgspec.Raw(b"null")
    code: str = ""
    message: str = ""


class Trouble(msgspec.Struct, frozen=True):
    """Something that went wrong in a daemon: when last (ns since the epoch), how often, and what."""

    when_ns: int
    count: int
    what: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How a daemon is. Times are nanoseconds since the epoch.

    `state` is serving or stopping. `levers` says which means of speed are on, `operations` how many
    requests of each kind were answered, `waiting` how many wait for the store, `troubles` what failed lately,
    newest first. `lineage` is `open` or `fanotify` while opens are recorded (told by requests, or by the
    kernel's reports), `off` when they are not to be, else why they cannot be; `lost` counts
    those that the journal knows it lost.
    """

    id: str
    mountpoint: str
    kind: str
    title: str
    pid: int
    version: str
    started_ns: int
    state: str
    session: str
    read_only: bool
    lineage: str
    lost: int
    waiting: int
    levers: dict[str, str]
    operations: dict[str, int]
    troubles: list[Trouble]


def encode_line(message: Request | Reply) -> bytes:
    """`message` as one line."""
    return msgspec.json.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    """The request in `line`; DaemonError for junk or another version."""
    try:
        request = msgspec.json.decode(line, type=Request)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise DaemonError(f"request: not understood: {error}") from error
    if request.v != PROTOCOL:
        raise DaemonError(f"request: protocol {request.v}, this daemon speaks {PROTOCOL}")
    return request


def error_reply(error: VfsError, *, id: int = 0) -> Reply:
    """The reply that carries `error`."""
    return Reply(id=id, code=error.wire, message=str(error))
