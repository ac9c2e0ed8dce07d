"""Which branches and tags still hold certain paths as a commit made them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from vfs.errors import Corrupt, NotFound, ObjectMissing
from vfs.journal.fetching import fetched
from vfs.model.commit import StoredCommit
from vfs.model.entry import Entry
from vfs.model.ids import Digest
from vfs.repo.commits import read_commit
from vfs.repo.library import Library
from vfs.repo.refs import Refs


class Holders:
    """The heads of some repos, read at once. A head that cannot be read holds nothing, and is told in `problems`."""

    def __init__(self, library: Library, repos: Iterable[str]) -> None:
        self.problems: list[str] = []
        self._library = library
        self._heads: dict[str, list[_Head]] = {}
        names = sorted(set(repos))
        for repo, heads in zip(names, fetched(library, self._read, names), strict=True):
            self._heads[repo] = heads

    def of(self, stored: StoredCommit, made: Mapping[bytes, Digest | None]) -> tuple[str, ...]:
        """The refs of the commit's repo (`branch main`, `tag v1`) in which one of the paths `made` is as it is there.

        With the digest of each where that is known; None to look at the commit.
        """
        return tuple(head.name for head in self._heads.get(stored.commit.repo, []) if self._holds(head, stored, made))

    def having(self, repo: str, path: bytes) -> tuple[str, ...]:
        """The refs of the repo in which there is something at `path`."""
        return tuple(head.name for head in self._heads.get(repo, []) if self._find(head, path) is not None)

    def _holds(self, head: _Head, stored: StoredCommit, made: Mapping[bytes, Digest | None]) -> bool:
        return any(self._same(head, stored, path, digest) for path, digest in made.items())

    def _same(self, head: _Head, stored: StoredCommit, path: bytes, digest: Digest | None) -> bool:
        there = self._find(head, path)
        if there is None or head.stored.id == stored.id:
            return there is not None
        if digest:
            return there.digest == digest
        try:
            old = self._library.tree(stored).find(path)
        except (NotFound, ObjectMissing, Corrupt) as error:
            self._note(str(error))
            return False
        return old is not None and (old.kind, old.digest, old.target) == (there.kind, there.digest, there.target)

    def _find(self, head: _Head, path: bytes) -> Entry | None:
        if path not in head.found:
            try:
                head.found[path] = self._library.tree(head.stored).find(path)
            except (NotFound, ObjectMissing, Corrupt) as error:
                self._note(str(error))
                head.found[path] = None
        return head.found[path]

    def _read(self, repo: str) -> list[_Head]:
        return list(self._refs(repo))

    def _refs(self, repo: str) -> Iterator[_Head]:
        refs = Refs(self._library, repo)
        for kind, known in (("branch", refs.branches), ("tag", refs.tags)):
            for ref in known.list():
                try:
                    yield _Head(f"{kind} {ref.name}", read_commit(self._library, repo, ref.commit))
                except (NotFound, ObjectMissing, Corrupt) as error:
                    self._note(str(error))

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


class _Head:
    """A ref with its commit, and what was found in it: many commits made the same paths."""

    def __init__(self, name: str, stored: StoredCommit) -> None:
        self.name = name
        self.stored = stored
        self.found: dict[bytes, Entry | None] = {}
