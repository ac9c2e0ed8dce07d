"""What a journal record can say: one frozen struct per kind, and their encoding as a record body.

Field order is the format; new fields go to the end with a default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from vfs.errors import Corrupt
from vfs.model.commit import InputCommit
from vfs.model.ids import Digest
from vfs.model.record import Code, Output, Process
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


class FirstSeen(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What was observed for the first time, in the order it happened; the classes below say what it is.

    `sources` lists (repo, commit id); each of `reads` is (process key, index into sources, path, digest). `first` is
    the place of the first of them in the order of all that was observed in the session, 0 while unknown; `ats` how far
    behind it each one is, empty where they follow one another.
    """

    session: str
    sources: tuple[tuple[str, Digest], ...]
    reads: tuple[tuple[int, int, bytes, Digest], ...]
    first: int = 0
    ats: tuple[int, ...] = ()

    def numbers(self) -> Sequence[int]:
        """The place of each in the order of all that was observed, from 1 on; 0 while unknown. Corrupt."""
        if not self.ats:
            return range(self.first, self.first + len(self.reads)) if self.first else (0,) * len(self.reads)
        if len(self.ats) != len(self.reads):
            raise Corrupt(f"session {self.session}: {len(self.reads)} observations in {len(self.ats)} places")
        return [self.first + offset for offset in self.ats]


class ReadsSeen(FirstSeen, frozen=True, array_like=True, kw_only=True):
    """First opens for reading of files."""


class ListedSeen(FirstSeen, frozen=True, array_like=True, kw_only=True):
    """First listings of directories; the digest is empty, the path of a commit's root, too."""


class AbsentSeen(FirstSeen, frozen=True, array_like=True, kw_only=True):
    """Names that were looked up and not there; the digest is empty."""


class ProcessesEnded(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """When processes were seen to have ended: (process key, nanoseconds since the epoch)."""

    session: str
    ended: tuple[tuple[int, int], ...]


class ProcessesLinked(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Links found after a process was described: (process key, key of one whose data may have come to it)."""

    session: str
    links: tuple[tuple[int, int], ...]


class Wrote(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Files that were closed after writing: (process key, device, inode, place in the order of `FirstSeen.first`).

    The last such close of each process and file since the record before.
    """

    session: str
    writes: tuple[tuple[int, int, int, int], ...]


class OutsideSeen(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """First opens of files outside of all mounts: (process key, path)."""

    session: str
    opens: tuple[tuple[int, bytes], ...]


class CodeSeen(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Which version of which code a session runs, and in which container image; as in `RunRecord`."""

    session: str
    code: tuple[Code, ...] = ()
    image: str = ""


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


class Cut(msgspec.Struct, frozen=True, array_like=True):
    """Neighbouring records that are not here: first and last number, the hash before them, the hash of the last."""

    first: int
    last: int
    previous: Digest
    hash: Digest


class Checkpoint(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Records of sessions that ended before `before_ns` were taken out; the chain goes on over them. Of no session.

    `archive` is the digest of the file that they were written to before, empty where they were not kept.
    """

    session: str = ""
    before_ns: int
    cuts: tuple[Cut, ...]
    archive: Digest = b""


Event: TypeAlias = (
    SessionStart
    | SessionEnd
    | Watching
    | ProcessSeen
    | ReadsSeen
    | OutputsMade
    | CommitMade
    | Gap
    | ListedSeen
    | AbsentSeen
    | ProcessesEnded
    | ProcessesLinked
    | Wrote
    | OutsideSeen
    | CodeSeen
    | Checkpoint
)

KINDS: dict[str, type[Event]] = {
    "session-start": SessionStart,
    "session-end": SessionEnd,
    "watch": Watching,
    "process": ProcessSeen,
    "read": ReadsSeen,
    "output": OutputsMade,
    "commit": CommitMade,
    "gap": Gap,
    "listed": ListedSeen,
    "absent": AbsentSeen,
    "ended": ProcessesEnded,
    "linked": ProcessesLinked,
    "wrote": Wrote,
    "outside": OutsideSeen,
    "code": CodeSeen,
    "checkpoint": Checkpoint,
}
_DECODERS: dict[str, msgspec.msgpack.Decoder[Event]] = {
    kind: msgspec.msgpack.Decoder(cls) for kind, cls in KINDS.items()
}
NAMES: dict[type[msgspec.Struct], str] = {cls: kind for kind, cls in KINDS.items()}


def kind_of(event: Event) -> str:
    """The kind under which `event` is recorded."""
    return NAMES[type(event)]


def encode_event(event: Event) -> bytes:
    """The body of the record that says `event`."""
    return msgspec.msgpack.encode(event)


def decode_event(kind: str, body: bytes, what: str) -> Event:
    """The event in a record body; Corrupt naming `what` when it is none."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise Corrupt(f"{what}: unknown kind '{kind[:40]}'")
    return decode(decoder, body, what=what)


def session_of(body: bytes) -> str:
    """The session that a record body of any kind is about; "" for a body that makes no sense."""
    try:
        fields = msgspec.msgpack.decode(body)
    except msgspec.DecodeError:
        return ""
    return fields[0] if isinstance(fields, list) and fields and isinstance(fields[0], str) else ""
