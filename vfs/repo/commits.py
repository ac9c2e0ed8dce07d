"""Commit objects: written, read, listed, found by the start of their id; and the run record of one."""

from __future__ import annotations

from collections.abc import Iterator

from vfs.errors import Corrupt, ObjectMissing, RevisionNotFound
from vfs.model.commit import Commit, Locations, StoredCommit, decode_commit, encode_commit
from vfs.model.entry import Entry, Kind
from vfs.model.ids import DIGEST_SIZE, Digest, digest_of, short
from vfs.model.record import RunRecord, decode_record
from vfs.repo.layout import commit_key, commits_prefix
from vfs.repo.library import Library

# A run that opened ten million files makes a record of this order.
RECORD_MAX = 1 << 30
# The message, inputs and inline record of one commit; the record of a large run is in chunks.
_OBJECT_MAX = 64 << 20


def write_commit(library: Library, commit: Commit, locations: Locations) -> Digest:
    """Store a commit and give its id. What it points to must be durable already."""
    id, data = encode_commit(commit, locations)
    library.store.put(commit_key(commit.repo, id), data)
    return id


def read_commit(library: Library, repo: str, id: Digest) -> StoredCommit:
    """One commit; RevisionNotFound when the store has no such object, Corrupt."""
    held = library.commits.get((repo, id))
    if held is not None:
        return held
    try:
        data = library.store.get(commit_key(repo, id), length=_OBJECT_MAX)
    except ObjectMissing as error:
        raise RevisionNotFound(f"{repo}: no commit {id.hex()}") from error
    return library.commits.put((repo, id), decode_commit(id, data))


def read_linked(library: Library, repo: str, id: Digest, *, by: str) -> StoredCommit:
    """A commit that a ref or another commit names, `by` in words; Corrupt when the store has lost it."""
    try:
        return read_commit(library, repo, id)
    except RevisionNotFound as error:
        raise Corrupt(f"{by}: commit {id.hex()} is missing from the store") from error


def commit_ids(library: Library, repo: str) -> Iterator[Digest]:
    """The ids of all commits of a repo, on a branch or not, in order of their hex form."""
    return _listed(library, commits_prefix(repo))


def by_prefix(library: Library, repo: str, prefix: str) -> list[Digest]:
    """The commits whose id starts with these lower-case hex digits, in order."""
    return list(_listed(library, commits_prefix(repo) + prefix))


def read_record(library: Library, stored: StoredCommit) -> RunRecord | None:
    """The run record sealed into a commit, verified; None when it has none. Corrupt."""
    commit, locations = stored.commit, stored.locations
    if not commit.record:
        return None
    what = f"commit {short(stored.id)}"
    if not 0 < locations.record_size <= RECORD_MAX:
        raise Corrupt(f"{what}: run record of {locations.record_size} bytes")
    entry = Entry(
        path=b"record",
        kind=Kind.FILE,
        mode=0,
        mtime_ns=0,
        size=locations.record_size,
        digest=commit.record,
        content=locations.record,
    )
    data = library.files.read(entry, 0, entry.size)
    if digest_of(data) != commit.record:
        raise Corrupt(f"{what}: the run record does not hash to the digest in the commit")
    return decode_record(data, what)


def _listed(library: Library, prefix: str) -> Iterator[Digest]:
    for found in library.store.list(prefix):
        id = _id_of(found.key)
        if id is not None:
            yield id


def _id_of(key: str) -> Digest | None:
    try:
        id = bytes.fromhex(key.rpartition("/")[2])
    except ValueError:
        return None
    return id if len(id) == DIGEST_SIZE else None
