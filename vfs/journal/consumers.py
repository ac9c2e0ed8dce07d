"""Who was made from what: every commit of the store that has inputs, by the repo of the input."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from vfs.concurrency.pool import ordered_map
from vfs.errors import Corrupt, RevisionNotFound
from vfs.journal.sealed import check_input
from vfs.model.commit import StoredCommit
from vfs.model.ids import Digest, short
from vfs.repo.commits import commit_ids, read_commit
from vfs.repo.library import Library
from vfs.repo.repos import repo_names

# Commit objects asked for ahead of the one looked at: small objects, the latency of the store counts.
_AHEAD = 64
_WORKERS = 16


class Consumer(msgspec.Struct, frozen=True):
    """A commit made from `input`, a commit of the repo asked about."""

    repo: str
    commit: Digest
    input: Digest


class Consumers:
    """The inputs of all commits, read once from the store. `notes` names commits that could not be read."""

    def __init__(self, library: Library) -> None:
        """Reads every commit object of every repo."""
        self.notes: list[str] = []
        self._of_repo: dict[str, list[Consumer]] = {}
        for stored in self._commits(library):
            self._add(stored)

    def of_repo(self, repo: str) -> list[Consumer]:
        """The commits with an input from `repo`, in the order of their repos and ids."""
        return self._of_repo.get(repo, [])

    def _add(self, stored: StoredCommit) -> None:
        for item in stored.commit.inputs:
            consumer = Consumer(stored.commit.repo, stored.id, item.commit)
            known = self._of_repo.setdefault(check_input(item, f"commit {short(stored.id)}").repo, [])
            if consumer not in known[-len(stored.commit.inputs) :]:
                known.append(consumer)

    def _commits(self, library: Library) -> Iterator[StoredCommit]:
        def read(named: tuple[str, Digest]) -> StoredCommit | str:
            repo, id = named
            try:
                stored = read_commit(library, repo, id)
                for item in stored.commit.inputs:
                    check_input(item, f"commit {short(id)}")
            except RevisionNotFound:
                return ""
            except Corrupt as error:
                return str(error)
            return stored

        names = ((repo, id) for repo in repo_names(library) for id in commit_ids(library, repo))
        for found in ordered_map(read, names, workers=_WORKERS, ahead=_AHEAD):
            if isinstance(found, StoredCommit):
                yield found
            elif found:
                self.notes.append(found)
