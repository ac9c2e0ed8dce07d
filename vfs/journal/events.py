"""What a journal record can say: one frozen struct per kind, and their encoding as a record body.

Field order is the format; new fields go to the end with a default.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from vfs.errors import Corrupt
from vfs.model.commit import InputCommit
from vfs.model.ids import Digest
from vfs.model.record import Output, Process
from vfs.model.wire import decode


class SessionStart(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A run, a mount or a put began. `kind` is as in `RunRecord.kind`; `pid` is the process that began it."""

    session: str
    kind: str
    mountpoint: bytes
    command: tuple[bytes, ...]
    cwd: bytes
    user: str
    uid: int
    host: str
    pid: int
    version: str
    environment: tuple[tuple[str, str], ...] = ()
    inputs: tuple[InputCommit, ...] = ()


class SessionEnd(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A session came to its end; one without this record was cut off."""

    session: str
    exit_code: int


class Watching(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A daemon began to observe the opens of a session. `level` is as in `RunRecord.level`."""

    session: str
    pid: int
    level: str


class ProcessSeen(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A process that touched a mount, or an ancestor of one. `process.key` is unique within the session."""

    session: str
    process: Process


class ReadsSeen(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """First opens for reading, in the order they happened.

    `sources` lists (repo, commit id); each read is (process key, index into sources, path, digest).
    """

    session: str
    sources: tuple[tuple[str, Digest], ...]
    reads: tuple[tuple[int, int, bytes, Digest], ...]


class OutputsMade(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Paths that a session made or changed."""

    session: str
    outputs: tuple[Output, ...]


class CommitMade(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A commit that a session made; `record` is the digest of the run record sealed into it."""

    session: str
    repo: str
    branch: str
    commit: Digest
    record: Digest


class Gap(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Observations known to be lost: how many, and why.

    `processes` were not described; what they read was recorded, so it is not in `count`.
    """

    session: str
    count: int
    reason: str
    processes: int = 0


Event: TypeAlias = SessionStart | SessionEnd | Watching | ProcessSeen | ReadsSeen | OutputsMade | CommitMade | Gap

KINDS: dict[str, type[Event]] = {
    "session-start": SessionStart,
    "session-end": SessionEnd,
    "watch": Watching,
    "process": ProcessSeen,
    "read": ReadsSeen,
    "output": OutputsMade,
    "commit": CommitMade,
    "gap": Gap,
}
_DECODERS: dict[str, msgspec.msgpack.Decoder[Event]] = {
    kind: msgspec.msgpack.Decoder(cls) for kind, cls in KINDS.items()
}
_NAMES: dict[type[Event], str] = {cls: kind for kind, cls in KINDS.items()}


def kind_of(event: Event) -> str:
    """The kind under which `event` is recorded."""
    return _NAMES[type(event)]


def encode_event(event: Event) -> bytes:
    """The body of the record that says `event`."""
    return msgspec.msgpack.encode(event)


def decode_event(kind: str, body: bytes, what: str) -> Event:
    """The event in a record body; Corrupt naming `what` when it is none."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise Corrupt(f"{what}: unknown kind '{kind[:40]}'")
    return decode(decoder, body, what=what)
