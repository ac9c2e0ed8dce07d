"""Which commits of a repo a run used: each run of a store is looked at once, however many commits are asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from vfs.errors import Corrupt, NotFound, ObjectMissing
from vfs.journal.consumers import Consumer, Consumers
from vfs.journal.origins import first_parent, origins, still_there
from vfs.journal.sealed import Sealed, inherits, sealed_record
from vfs.model.commit import StoredCommit
from vfs.model.ids import Digest
from vfs.repo.commits import read_commit
from vfs.repo.library import Library


class Usage:
    """The consumers of commits. What cannot be read is noted and left out."""

    def __init__(self, library: Library, consumers: Consumers, *, note: Callable[[str], None]) -> None:
        """`note` is told what could not be read."""
        self._library = library
        self._consumers = consumers
        self._note = note
        self._repos: dict[str, dict[Digest, list[Consumer]]] = {}

    def of_repo(self, repo: str) -> list[Consumer]:
        """All commits made from some commit of the repo."""
        return self._consumers.of_repo(repo)

    def of_commit(self, stored: StoredCommit) -> list[Consumer]:
        """The commits whose runs were given `stored`, or used what it made by way of a later commit of the repo."""
        repo = stored.commit.repo
        if repo not in self._repos:
            self._repos[repo] = self._index(repo)
        return self._repos[repo].get(stored.id, [])

    def _index(self, repo: str) -> dict[Digest, list[Consumer]]:
        index: dict[Digest, list[Consumer]] = {}
        for consumer in self._consumers.of_repo(repo):
            used = {consumer.input}
            try:
                used.update(self._used(repo, consumer))
            except (NotFound, ObjectMissing, Corrupt) as error:
                self._note(str(error))
            for id in used:
                index.setdefault(id, []).append(consumer)
        return index

    def _used(self, repo: str, consumer: Consumer) -> Iterator[Digest]:
        given = read_commit(self._library, repo, consumer.input)
        sealed = sealed_record(self._library, read_commit(self._library, consumer.repo, consumer.commit))
        if sealed is None or not sealed.observed:
            return self._held(given)
        return (origin.id for origin, _ in origins(self._library, given, _paths(sealed, given)))

    def _held(self, stored: StoredCommit) -> Iterator[Digest]:
        """The earlier commits of the repo of which something is still in `stored`."""
        newer = stored
        while inherits(self._library, newer) and (older := first_parent(self._library, newer)) is not None:
            if any(True for _ in still_there(self._library, older, stored)):
                yield older.id
            newer = older


def _paths(sealed: Sealed, given: StoredCommit) -> set[bytes]:
    source = (given.commit.repo, given.id)
    readings = (one for one in sealed.readings if (one.input.repo, one.input.commit) == source)
    return {path for reading in readings for path, _ in reading.files}
