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

    Times are nanoseconds since the epoch; `ended_ns` is 0 while unknown. `linked` are the keys of processes whose data
    may have come to this one although they are not its children: the program it executed in place of, the process
    it was forked from without executing another program, those at the other end of a pipe or socket of its own.
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
    linked: tuple[int, ...] = ()


class Read(msgspec.Struct, frozen=True, array_like=True):
    """The first time that one process opened a file for reading, listed a directory, or looked up a name in vain.

    `input` indexes `RunRecord.inputs`; `digest` is b"" for what is not a file. `at` is its place in the order of all
    that was observed, from 1 on; 0 while unknown.
    """

    process: int
    input: int
    path: bytes
    digest: Digest
    at: int = 0


class Output(msgspec.Struct, frozen=True, array_like=True):
    """One path of the commit that the run made or changed; digest b"" for what is not a file.

    `writer` is the process that wrote it last, 0 while unknown, and `at` when that was, in the order of `Read.at`.
    """

    path: bytes
    digest: Digest
    writer: int = 0
    at: int = 0


class Outside(msgspec.Struct, frozen=True, array_like=True):
    """A file that one process opened outside of all mounts: its path, nothing of its content."""

    process: int
    path: bytes


class Code(msgspec.Struct, frozen=True, array_like=True):
    """The program text behind a command: the git work tree that holds `path`, its commit, and whether it was changed.

    `role` is `cwd` (path: the working directory) or `script` (a file named by the command, with its digest).
    `root`, `commit` and `branch` are empty where `path` is in no work tree; `dirty` also counts files that git does
    not know.
    """

    role: str
    path: bytes
    digest: Digest = b""
    root: bytes = b""
    commit: str = ""
    branch: str = ""
    dirty: bool = False


class RunRecord(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """How a commit came to be. Field order is the format; new fields go to the end with a default.

    `kind` is run, put, mount, merge, rm, revert or reset. `level` says how reads were observed: `open` or `fanotify`
    (each open seen, as a request or reported by the kernel), or `none`. `gaps` counts observations known to be lost,
    `reasons` says why, each with its count. `reads` are files opened for reading, `listed` directories, `absent` names
    that were looked up and not there: kept apart, as each is an input of its own kind. `outside` is there when it was
    asked for; `image` is the container image, where the run can tell. `shown` says of each of the first inputs which
    path of it the command was given, b"" for all of it; it is empty where all were given whole.
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
    listed: tuple[Read, ...] = ()
    absent: tuple[Read, ...] = ()
    outside: tuple[Outside, ...] = ()
    code: tuple[Code, ...] = ()
    image: str = ""
    reasons: tuple[tuple[str, int], ...] = ()
    shown: tuple[bytes, ...] = ()


_decoder = msgspec.msgpack.Decoder(RunRecord)


def encode_record(record: RunRecord) -> bytes:
    """The canonical bytes of `record`."""
    return msgspec.msgpack.encode(record)


def decode_record(data: bytes, what: str) -> RunRecord:
    """The record in `data`; Corrupt naming `what` when it is none."""
    return decode(_decoder, data, what=f"{what}: run record")
