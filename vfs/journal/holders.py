"""Which branches and tags still hold certain paths as a commit made them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from vfs.concurrency.pool import ordered_map
from vfs.errors import Corrupt, NotFound, ObjectMissing
from vfs.journal.consumers import AHEAD, WORKERS
from vfs.model.commit import StoredCommit
from vfs.model.entry import Entry
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
        for repo, heads in zip(names, ordered_map(self._read, names, workers=WORKERS, ahead=AHEAD), strict=True):
            self._heads[repo] = heads

    def of(self, stored: StoredCommit, paths: Collection[bytes]) -> tuple[str, ...]:
        """The refs of the commit's repo (`branch main`, `tag v1`) in which one of `paths` is as it is in the commit."""
        return tuple(head.name for head in self._heads.get(stored.commit.repo, []) if self._holds(head, stored, paths))

    def having(self, repo: str, path: bytes) -> tuple[str, ...]:
        """The refs of the repo in which there is something at `path`."""
        return tuple(head.name for head in self._heads.get(repo, []) if self._find(head, path) is not None)

    def _find(self, head: _Head, path: bytes) -> Entry | None:
        try:
            return self._library.tree(head.stored).find(path)
        except (ObjectMissing, Corrupt) as error:
            self._note(str(error))
            return None

    def _holds(self, head: _Head, stored: StoredCommit, paths: Collection[bytes]) -> bool:
        try:
            tree = self._library.tree(stored)
            return any((old := tree.find(path)) is not None and head.same(self._library, old) for path in paths)
        except (NotFound, ObjectMissing, Corrupt) as error:
            self._note(str(error))
            return False

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
        self._found: dict[bytes, Entry | None] = {}

    def same(self, library: Library, entry: Entry) -> bool:
        """Whether the path of `entry` has the same kind and content in the head."""
        if entry.path not in self._found:
            self._found[entry.path] = library.tree(self.stored).find(entry.path)
        found = self._found[entry.path]
        return found is not None and (found.kind, found.digest) == (entry.kind, entry.digest)
