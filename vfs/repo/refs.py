"""Branches and tags: names for commits, which move only by compare-and-swap."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from vfs.errors import AlreadyExists, Conflict, Corrupt, ObjectMissing, RevisionNotFound
from vfs.model.ids import Digest
from vfs.model.names import check_label
from vfs.repo.layout import heads_prefix, tags_prefix
from vfs.repo.library import Library
from vfs.store.protocol import Store

_COMMIT = re.compile(r"[0-9a-f]{64}")


class Ref(msgspec.Struct, frozen=True):
    """A branch or tag and the commit it names."""

    name: str
    commit: Digest


class _Object(msgspec.Struct, frozen=True):
    commit: str


class RefSet:
    """The refs of one kind in one repo. Nothing is cached: every call asks the store."""

    def __init__(self, store: Store, *, kind: str, repo: str, prefix: str) -> None:
        self._store = store
        self._kind = kind
        self._repo = repo
        self._prefix = prefix

    def list(self) -> Iterator[Ref]:
        """All refs of this kind, by name; one that is deleted meanwhile is left out."""
        for found in self._store.list(self._prefix):
            name = found.key.removeprefix(self._prefix)
            ref = self.find(name)
            if ref is not None:
                yield Ref(name, ref[0])

    def get(self, name: str) -> tuple[Digest, str]:
        """The commit a ref names and its version for `move`; RevisionNotFound."""
        found = self.find(name)
        if found is None:
            raise RevisionNotFound(f"{self._repo}: no {self._kind} {name}")
        return found

    def find(self, name: str) -> tuple[Digest, str] | None:
        """As `get`, None when there is no such ref."""
        key = self._key(name)
        try:
            data, version = self._store.get_version(key)
        except ObjectMissing:
            return None
        return _decode(key, data), version

    def create(self, name: str, commit: Digest) -> str:
        """Make a ref and give its version; AlreadyExists."""
        try:
            return self._store.swap(self._key(name), _encode(commit), expected=None)
        except Conflict as error:
            raise AlreadyExists(f"{self._repo}: {self._kind} {name} exists already") from error

    def move(self, name: str, new: Digest, *, expected: str | None) -> str:
        """Point a ref elsewhere if it has not moved since `expected` was read (None: it must not exist).

        The new version; Conflict when another writer was first.
        """
        try:
            return self._store.swap(self._key(name), _encode(new), expected=expected)
        except Conflict as error:
            raise Conflict(f"{self._repo}: {self._kind} {name} was moved by another writer") from error

    def delete(self, name: str) -> None:
        """Remove a ref; its commits stay. RevisionNotFound, or Conflict when it moved meanwhile."""
        _, version = self.get(name)
        self._store.remove(self._key(name), expected=version)

    def _key(self, name: str) -> str:
        return self._prefix + check_label(self._kind, name)


class Refs:
    """The branches and the tags of one repo."""

    def __init__(self, library: Library, repo: str) -> None:
        check_label("repo", repo)
        self.branches = RefSet(library.store, kind="branch", repo=repo, prefix=heads_prefix(repo))
        self.tags = RefSet(library.store, kind="tag", repo=repo, prefix=tags_prefix(repo))


def _encode(commit: Digest) -> bytes:
    return msgspec.json.encode(_Object(commit.hex()))


def _decode(key: str, data: bytes) -> Digest:
    try:
        text = msgspec.json.decode(data, type=_Object).commit
    except msgspec.MsgspecError as error:
        raise Corrupt(f"{key}: not a ref: {error}") from error
    if not _COMMIT.fullmatch(text):
        raise Corrupt(f"{key}: not a ref: names no commit")
    return bytes.fromhex(text)
