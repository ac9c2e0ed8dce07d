"""The run record: what a commit was made from. Sealed into the commit, read by lineage."""

from __future__ import annotations

import msgspec

from vfs.model.commit import InputCommit
from vfs.model.ids import Digest
from vfs.model.wire import decode

RECORD_FORMAT = 1
# Levels at which each open is seen: as a request to the daemon, or reported by the kernel.
SEEN_ALL = frozenset({"open", "fanotify"})


class Process(msgspec.Struct, frozen=True, array_like=True):
    """One process that touched a mount. `key` is unique within the record; `parent` is such a key or 0.

    Times are nanoseconds since the epoch; `ended_ns` is 0 while unknown.
    """

    key: int
    parent: int
    pid: int
    started_ns: int
    ended_ns: int
    exe: bytes
    exe_digest: Digest
    argv: tuple[bytes, ...]
    cwd: bytes
    uid: int
    user: str
    container: str


class Read(msgspec.Struct, frozen=True, array_like=True):
    """The first open for reading of one file by one process. `input` indexes `RunRecord.inputs`."""

    process: int
    input: int
    path: bytes
    digest: Digest


class Output(msgspec.Struct, frozen=True, array_like=True):
    """One path of the commit that the run made or changed; digest b"" for what is not a file."""

    path: bytes
    digest: Digest


class RunRecord(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """How a commit came to be. Field order is the format; new fields go to the end with a default.

    `kind` is run, put, mount, merge, rm, revert or reset. `level` says how reads were observed: `open` or `fanotify`
    (each open seen, as a request or reported by the kernel), or `none`. `gaps` counts observations known to be lost.
    """

    format: int = RECORD_FORMAT
    kind: str
    command: tuple[bytes, ...]
    cwd: bytes
    exit_code: int
    started_ns: int
    ended_ns: int
    user: str
    host: str
    version: str
    level: str = "none"
    gaps: int = 0
    environment: tuple[tuple[str, str], ...] = ()
    inputs: tuple[InputCommit, ...] = ()
    processes: tuple[Process, ...] = ()
    reads: tuple[Read, ...] = ()
    outputs: tuple[Output, ...] = ()


_decoder = msgspec.msgpack.Decoder(RunRecord)


def encode_record(record: RunRecord) -> bytes:
    """The canonical bytes of `record`."""
    return msgspec.msgpack.encode(record)


def decode_record(data: bytes, what: str) -> RunRecord:
    """The record in `data`; Corrupt naming `what` when it is none."""
    return decode(_decoder, data, what=f"{what}: run record")
