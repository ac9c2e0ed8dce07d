"""Commits: what they say, the bytes that identify them, and the object that stores them.

The identity bytes of a commit cover everything it says; its id is their BLAKE3. Where the root page
and the run record lie is kept beside them, outside the identity, so that moving packs changes no id.
"""

from __future__ import annotations

import msgspec

from vfs.errors import Corrupt, StoreFormat
from vfs.model.entry import BlobRef, ChunkList
from vfs.model.ids import Digest, check_digest, digest_of
from vfs.model.wire import decode

COMMIT_FORMAT = 1


class InputCommit(msgspec.Struct, frozen=True, array_like=True):
    """A commit that went into another: under which name it was given, repo and id."""

    name: str
    repo: str
    commit: Digest


class Commit(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One state of one repo. Field order is the format; new fields go to the end with a default.

    `root` is the identity of the root page, `entries` and `size` its totals (names, bytes of
    content), `record` the digest of the run record (b"" for none), `command` a short form of it for logs.
    """

    format: int = COMMIT_FORMAT
    repo: str
    parents: tuple[Digest, ...]
    root: Digest
    entries: int
    size: int
    author: str
    time_ns: int
    message: str
    inputs: tuple[InputCommit, ...] = ()
    command: tuple[bytes, ...] = ()
    record: Digest = b""


class Locations(msgspec.Struct, frozen=True, array_like=True):
    """Where the parts of a commit lie: the root page, and the run record as file content."""

    root: BlobRef
    record: bytes | ChunkList = b""
    record_size: int = 0


class StoredCommit(msgspec.Struct, frozen=True):
    """A commit as read from a store: its id, what it says, where its parts are."""

    id: Digest
    commit: Commit
    locations: Locations


class _Object(msgspec.Struct, frozen=True, array_like=True):
    magic: bytes
    identity: bytes
    locations: bytes


class _Format(msgspec.Struct, frozen=True, array_like=True):
    format: int


_MAGIC = b"vfs-commit"
_objects = msgspec.msgpack.Decoder(_Object)
_formats = msgspec.msgpack.Decoder(_Format)
_commits = msgspec.msgpack.Decoder(Commit)
_locations = msgspec.msgpack.Decoder(Locations)


def encode_commit(commit: Commit, locations: Locations) -> tuple[Digest, bytes]:
    """The id of `commit` and the bytes of its store object."""
    identity = msgspec.msgpack.encode(commit)
    return digest_of(identity), msgspec.msgpack.encode(_Object(_MAGIC, identity, msgspec.msgpack.encode(locations)))


def decode_commit(id: Digest, data: bytes) -> StoredCommit:
    """The commit stored as `data`; Corrupt unless its identity bytes hash to `id`."""
    what = f"commit {id.hex()}"
    stored = decode(_objects, data, what=what)
    if stored.magic != _MAGIC or digest_of(stored.identity) != id:
        raise Corrupt(f"{what}: the bytes in the store do not hash to its id")
    version = decode(_formats, stored.identity, what=what).format
    if version != COMMIT_FORMAT:
        raise StoreFormat(f"{what}: format {version}, this version reads {COMMIT_FORMAT}; a newer vfs is needed")
    commit = decode(_commits, stored.identity, what=what)
    locations = decode(_locations, stored.locations, what=what)
    check_digest(commit.root, what)
    if locations.root.digest != commit.root:
        raise Corrupt(f"{what}: the root page it points to is not the one it names")
    return StoredCommit(id, commit, locations)
