"""Signature objects of commits in the store: written, read, judged. What lies there is anybody's until checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import islice

import msgspec

from vfs.errors import Corrupt, ObjectMissing
from vfs.model.commit import StoredCommit
from vfs.model.names import printable
from vfs.model.publickey import PublicKey, is_key_id
from vfs.model.signature import SIGNATURE_MAX, decode_signature, encode_signature
from vfs.repo.commits import commit_ids
from vfs.repo.layout import signature_key, signatures_of, signatures_prefix
from vfs.repo.library import Library
from vfs.repo.signing import Signer, holds
from vfs.store.protocol import ObjectInfo

# Objects looked at for one commit; nobody has as many keys, and a stranger could put a million.
SIGNATURES_MAX = 256


class Standing(Enum):
    """What a signature object is worth."""

    TRUSTED = "trusted"
    UNKNOWN = "unknown"
    BAD = "bad"


class Judged(msgspec.Struct, frozen=True):
    """One signature object: what it is worth. `cause` says why a bad one is bad; `comment` is what we call the key."""

    object: str
    standing: Standing
    key: str = ""
    comment: str = ""
    time_ns: int = 0
    cause: str = ""


class Judge:
    """Judges signatures by the trusted and the known keys of one ring."""

    def __init__(self, trusted: Mapping[bytes, PublicKey], known: Mapping[bytes, PublicKey]) -> None:
        self._trusted = trusted
        self._known = known

    def all(self, library: Library, stored: StoredCommit) -> tuple[Judged, ...]:
        """Every signature object of a commit, in the order of their keys; errors of the store are raised."""
        return tuple(self._each(library, stored))

    def _each(self, library: Library, stored: StoredCommit) -> Iterator[Judged]:
        prefix = signatures_of(stored.commit.repo, stored.id)
        listing = library.store.list(prefix)
        for found in islice(listing, SIGNATURES_MAX):
            judged = self._one(library, stored, found, found.key.removeprefix(prefix))
            if judged is not None:
                yield judged
        if next(listing, None) is not None:
            cause = f"{prefix}: over {SIGNATURES_MAX} objects, the others were not looked at"
            yield Judged(prefix, Standing.BAD, cause=cause)

    def _one(self, library: Library, stored: StoredCommit, found: ObjectInfo, name: str) -> Judged | None:
        """None for an object that was removed since it was listed."""
        try:
            return self._checked(library, stored, found, name)
        except ObjectMissing:
            return None
        except Corrupt as error:
            return Judged(found.key, Standing.BAD, name if is_key_id(name) else "", cause=str(error))

    def _checked(self, library: Library, stored: StoredCommit, found: ObjectInfo, name: str) -> Judged:
        what = printable(found.key.encode())
        if not is_key_id(name):
            raise Corrupt(f"{what}: not the name of a signature")
        if found.size > SIGNATURE_MAX:
            raise Corrupt(f"{what}: {found.size} bytes, no signature is that long")
        signature = decode_signature(library.store.get(found.key, length=SIGNATURE_MAX + 1), what)
        if signature.key_id != name:
            raise Corrupt(f"{what}: is by key {signature.key_id}")
        if not holds(signature, stored.commit.repo, stored.id):
            raise Corrupt(f"{what}: does not sign this commit: altered, or of another one")
        key = self._trusted.get(signature.key)
        named = self._known.get(signature.key) or key
        standing = Standing.TRUSTED if key is not None else Standing.UNKNOWN
        return Judged(found.key, standing, name, named.comment if named else "", signature.time_ns)


def sign(library: Library, stored: StoredCommit, signer: Signer) -> None:
    """Store a signature of a commit, which is durable then; in place of an older one by the same key."""
    repo = stored.commit.repo
    data = encode_signature(signer.sign(repo, stored.id))
    library.store.put(signature_key(repo, stored.id, signer.key.id), data)


def has_signed(library: Library, stored: StoredCommit, signer: Signer) -> bool:
    """Whether there is a signature of the commit by this key that holds."""
    key = signature_key(stored.commit.repo, stored.id, signer.key.id)
    try:
        signature = decode_signature(library.store.get(key, length=SIGNATURE_MAX + 1), key)
    except (ObjectMissing, Corrupt):
        return False
    return signature.key == signer.key.raw and holds(signature, stored.commit.repo, stored.id)


def strays(library: Library, repo: str) -> list[str]:
    """The objects below the signatures of a repo that belong to no commit, in order."""
    prefix = signatures_prefix(repo)
    # Before the commits: each of these that vfs wrote came after its commit, which is listed then.
    found = [one.key for one in library.store.list(prefix)]
    commits = {id.hex() for id in commit_ids(library, repo)} if found else set()
    return [key for key in found if not _belongs(key.removeprefix(prefix), commits)]


def _belongs(name: str, commits: set[str]) -> bool:
    commit, _, key = name.partition("/")
    return commit in commits and is_key_id(key)
