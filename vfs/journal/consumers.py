"""Who was made from what: every commit of the store that has inputs, by the repo of the input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

from vfs.errors import Corrupt, RevisionNotFound
from vfs.journal.fetching import fetched
from vfs.journal.input_cache import InputCache, Source, cache_path
from vfs.journal.sealed import check_input
from vfs.model.ids import Digest, short
from vfs.repo.commits import commit_ids, read_commit
from vfs.repo.library import Library
from vfs.repo.repos import repo_names

_Known: TypeAlias = tuple[Source, tuple[Source, ...]]


class Consumer(msgspec.Struct, frozen=True):
    """A commit made from `input`, a commit of the repo asked about."""

    repo: str
    commit: Digest
    input: Digest


class Consumers:
    """The inputs of all commits. `notes` names commits that could not be read."""

    def __init__(self, library: Library) -> None:
        """Lists the commits of every repo, and reads those that this host has not read before.

        `cache` is what this host remembers of them; `close` ends it.
        """
        self.notes: list[str] = []
        self._of_repo: dict[str, list[Consumer]] = {}
        names = [(repo, id) for repo in repo_names(library) for id in commit_ids(library, repo)]
        self.cache = InputCache(cache_path(library))
        try:
            known = self.cache.load(set(names))
            fresh = list(self._read(library, (name for name in names if name not in known)))
        except BaseException:
            self.cache.close()
            raise
        self.cache.add(fresh)
        known.update(fresh)
        for repo, id in names:
            self._add(repo, id, known.get((repo, id), ()))

    def of_repo(self, repo: str) -> list[Consumer]:
        """The commits with an input from `repo`, in the order of their repos and ids."""
        return self._of_repo.get(repo, [])

    def close(self) -> None:
        """Release what this host remembers."""
        self.cache.close()

    def _add(self, repo: str, id: Digest, inputs: tuple[Source, ...]) -> None:
        for source, commit in dict.fromkeys(inputs):
            self._of_repo.setdefault(source, []).append(Consumer(repo, id, commit))

    def _read(self, library: Library, names: Iterable[Source]) -> Iterator[_Known]:
        def read(name: Source) -> _Known | str:
            try:
                return name, _inputs(library, *name)
            except RevisionNotFound:
                # Deleted since it was listed.
                return ""
            except Corrupt as error:
                return str(error)

        for found in fetched(library, read, names):
            if isinstance(found, tuple):
                yield found
            elif found:
                self.notes.append(found)


def _inputs(library: Library, repo: str, id: Digest) -> tuple[Source, ...]:
    given = read_commit(library, repo, id).commit.inputs
    return tuple((check_input(item, f"commit {short(id)}").repo, item.commit) for item in given)
