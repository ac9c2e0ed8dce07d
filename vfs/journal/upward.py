"""Lineage upwards: from a commit to what it was made from, run by run, through all repos of the store."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec

from vfs.errors import Corrupt, NotFound, ObjectMissing
from vfs.journal.builder import Builder
from vfs.journal.graph import commit_key, run_key
from vfs.journal.origins import first_parent, origins, still_there
from vfs.journal.sealed import Reading, Sealed, check_input, inherits, sealed_record
from vfs.model.commit import StoredCommit
from vfs.model.ids import Digest, short
from vfs.repo.commits import read_commit
from vfs.repo.library import Library


class _Wanted(msgspec.Struct, frozen=True):
    """A commit to look behind: for these of its paths, or for all (None), `runs` runs away from the root."""

    repo: str
    commit: Digest
    paths: frozenset[bytes] | None
    runs: int


class Upward:
    """One walk. A commit is gone into once for all of it, or once for each set of paths not gone into before."""

    def __init__(self, library: Library, *, depth: int | None) -> None:
        """`depth`: runs to go back, None for all."""
        self.builder = Builder()
        self._library = library
        self._depth = depth
        self._queue: deque[_Wanted] = deque()
        self._whole: set[tuple[str, Digest]] = set()
        self._paths: dict[tuple[str, Digest], set[bytes]] = {}

    def walk(self, stored: StoredCommit, paths: frozenset[bytes] | None) -> None:
        """Add to the graph what `stored`, or what these paths of it, came from."""
        self._go_into(stored, _Wanted(stored.commit.repo, stored.id, paths, 0))
        while self._queue:
            wanted = self._queue.popleft()
            try:
                found = read_commit(self._library, wanted.repo, wanted.commit)
                self._go_into(found, wanted)
            except (NotFound, ObjectMissing, Corrupt) as error:
                # What is lost is shown as lost: the rest of the graph is worth having.
                self._mark_lost(wanted, error)

    def _mark_lost(self, wanted: _Wanted, error: Exception) -> None:
        id = self.builder.lost(wanted.repo, wanted.commit, str(error))
        self.builder.mark(id, problem=str(error))

    def _go_into(self, stored: StoredCommit, wanted: _Wanted) -> None:
        node = self.builder.commit(stored)
        if self._depth is not None and wanted.runs >= self._depth:
            self.builder.mark(node, more=bool(stored.commit.inputs or stored.commit.record))
            return
        for origin, paths in self._fresh(stored, wanted):
            if origin.id == stored.id:
                self._behind(stored, node, wanted.runs)
            else:
                self.builder.edge(self.builder.commit(origin), node, "carried", files=len(paths))
                self._queue.append(_Wanted(wanted.repo, origin.id, frozenset(paths), wanted.runs))

    def _fresh(self, stored: StoredCommit, wanted: _Wanted) -> Iterator[tuple[StoredCommit, set[bytes]]]:
        """The commits that made what is wanted, and which paths each; what was gone into before is left out."""
        key = (wanted.repo, wanted.commit)
        if key in self._whole:
            return
        if wanted.paths is None:
            self._whole.add(key)
            yield stored, set()
            yield from self._carried(stored)
            return
        fresh = wanted.paths - self._paths.setdefault(key, set())
        self._paths[key] |= fresh
        yield from origins(self._library, stored, fresh)

    def _carried(self, stored: StoredCommit) -> Iterator[tuple[StoredCommit, set[bytes]]]:
        """Earlier commits of the repo that were made from something, and their files that are still there."""
        older = first_parent(self._library, stored) if inherits(self._library, stored) else None
        while older is not None:
            if older.commit.inputs and (paths := set(still_there(self._library, older, stored))):
                yield older, paths
            older = first_parent(self._library, older) if inherits(self._library, older) else None

    def _behind(self, made: StoredCommit, node: str, runs: int) -> None:
        """Add the run that made a commit, and ask for its inputs."""
        if self.builder.has(run_key(made.commit.repo, made.id)):
            return
        sealed = sealed_record(self._library, made)
        if sealed is None:
            self._unrecorded(made, node, runs)
            return
        run = self.builder.run(made, sealed)
        self.builder.edge(run, node, "made", files=len(sealed.record.outputs))
        for place, reading in enumerate(sealed.readings):
            self._input(made, run, place, reading, sealed, runs)

    def _input(self, made: StoredCommit, run: str, place: int, reading: Reading, sealed: Sealed, runs: int) -> None:
        item = reading.input
        source = commit_key(item.repo, item.commit)
        if reading.files:
            files = self.builder.files(made, place, reading)
            self.builder.edge(source, files, "holds", files=len(reading.files))
            self.builder.edge(files, run, "read", files=len(reading.files))
        else:
            self.builder.edge(source, run, "given")
        paths = frozenset(path for path, _ in reading.files) if sealed.observed else None
        self._queue.append(_Wanted(item.repo, item.commit, paths, runs + 1))

    def _unrecorded(self, made: StoredCommit, node: str, runs: int) -> None:
        """A commit without a record still names its inputs."""
        for item in made.commit.inputs:
            check_input(item, f"commit {short(made.id)}")
            self.builder.edge(commit_key(item.repo, item.commit), node, "given")
            self._queue.append(_Wanted(item.repo, item.commit, None, runs + 1))
