"""Lineage upwards: from a commit to what it was made from, run by run, through all repos of the store."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec

from vfs.errors import Corrupt, NotFound, ObjectMissing
from vfs.journal.affected import COPIES
from vfs.journal.ahead import Ahead
from vfs.journal.builder import Builder
from vfs.journal.graph import commit_key, run_key
from vfs.journal.origins import Origins, first_parent, still_there
from vfs.journal.own import Own
from vfs.journal.sealed import Reading, Sealed, check_input, inherits, sealed_record
from vfs.model.commit import StoredCommit
from vfs.model.ids import Digest, short
from vfs.repo.commits import read_commit
from vfs.repo.library import Library


class _Wanted(msgspec.Struct, frozen=True):
    """A commit to look behind: for these of its paths, or for all (None), `runs` runs away from the root.

    `listed` are directories whose names count as well.
    """

    repo: str
    commit: Digest
    paths: frozenset[bytes] | None
    runs: int
    listed: tuple[bytes, ...] = ()


class Upward:
    """One walk. A commit is gone into once for all of it, or once for each set of paths not gone into before.

    Of a run that made some of the paths the inputs of these paths count, as far as they can be told from the others.
    """

    def __init__(self, library: Library, *, depth: int | None, whole_run: bool = False, listings: bool = False) -> None:
        """`depth`: runs to go back, None for all. `whole_run`: all inputs of each run; `listings`: names count too."""
        self.builder = Builder()
        self._library = library
        self._depth = depth
        self._whole_run = whole_run
        self._listings = listings
        self._runs: dict[str, _Run] = {}
        self._origins = Origins(library)
        self._queue: deque[_Wanted] = deque()
        self._whole: set[tuple[str, Digest]] = set()
        self._paths: dict[tuple[str, Digest], set[bytes]] = {}

    def walk(self, stored: StoredCommit, paths: frozenset[bytes] | None) -> None:
        """Add to the graph what `stored`, or what these paths of it, came from."""
        ahead = Ahead(self._library)
        try:
            ahead.start(stored)
            ahead.saw(stored)
            self._go_into(stored, _Wanted(stored.commit.repo, stored.id, paths, 0))
            while self._queue:
                self._next(self._queue.popleft(), ahead)
        finally:
            ahead.close()

    def _next(self, wanted: _Wanted, ahead: Ahead) -> None:
        try:
            found = read_commit(self._library, wanted.repo, wanted.commit)
            ahead.saw(found)
            self._go_into(found, self._with_names(found, wanted))
        except (NotFound, ObjectMissing, Corrupt) as error:
            # What is lost is shown as lost: the rest of the graph is worth having.
            self._mark_lost(wanted, error)

    def _with_names(self, found: StoredCommit, wanted: _Wanted) -> _Wanted:
        """`wanted` with the names in the directories that were listed."""
        if wanted.paths is None or not wanted.listed:
            return wanted
        tree = self._library.tree(found)
        names = {entry.path for directory in wanted.listed for _, entry in tree.children(directory)}
        return msgspec.structs.replace(wanted, paths=wanted.paths | names, listed=())

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
                self._behind(stored, node, wanted.runs, paths if wanted.paths is not None else None)
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
        yield from self._origins.of(stored, fresh)

    def _carried(self, stored: StoredCommit) -> Iterator[tuple[StoredCommit, set[bytes]]]:
        """Earlier commits of the repo that were made from something, and their files that are still there."""
        older = first_parent(self._library, stored) if inherits(self._library, stored) else None
        while older is not None:
            if older.commit.inputs and (paths := set(still_there(self._library, older, stored))):
                yield older, paths
            older = first_parent(self._library, older) if inherits(self._library, older) else None

    def _behind(self, made: StoredCommit, node: str, runs: int, paths: set[bytes] | None) -> None:
        """Add the run that made a commit, and ask for the inputs of these paths, None for all."""
        id = run_key(made.commit.repo, made.id)
        run = self._runs.get(id)
        if run is None:
            sealed = sealed_record(self._library, made)
            if sealed is None:
                self._unrecorded(made, node, runs)
                return
            run = self._runs[id] = _Run(made, sealed)
        if run.add(None if self._whole_run else paths):
            self._add_run(run, node, runs)

    def _add_run(self, run: _Run, node: str, runs: int) -> None:
        sealed, own = run.sealed, run.own()
        id = self.builder.run(run.made, sealed, scope="own" if own.narrowed else "run", reason=own.reason)
        self.builder.edge(id, node, "made", files=len(sealed.record.outputs))
        for place, reading in enumerate(sealed.readings_of(own)):
            # What a run was given and read nothing of is worth knowing of the run, not of one of its outputs.
            if reading or not own.narrowed:
                self._input(run, id, place, reading, runs)

    def _input(self, run: _Run, id: str, place: int, reading: Reading, runs: int) -> None:
        """Ask for one input of a run, whose node is `id`."""
        item, made, sealed = reading.input, run.made, run.sealed
        source = commit_key(item.repo, item.commit)
        if reading:
            files = self.builder.files(made, place, reading)
            self.builder.edge(source, files, "holds", files=len(reading.files))
            self.builder.edge(files, id, "read", files=len(reading.files))
        else:
            self.builder.edge(source, id, "given")
        if sealed.record.kind in COPIES:
            # Each path was taken over from the same path.
            paths = run.paths()
        else:
            paths = frozenset(path for path, _ in reading.files) if sealed.observed else None
        listed = reading.listed if self._listings else ()
        self._queue.append(_Wanted(item.repo, item.commit, paths, runs + 1, listed))

    def _unrecorded(self, made: StoredCommit, node: str, runs: int) -> None:
        """A commit without a record still names its inputs."""
        for item in made.commit.inputs:
            check_input(item, f"commit {short(made.id)}")
            self.builder.edge(commit_key(item.repo, item.commit), node, "given")
            self._queue.append(_Wanted(item.repo, item.commit, None, runs + 1))


class _Run:
    """A run that was come upon, and for which of its outputs."""

    def __init__(self, made: StoredCommit, sealed: Sealed) -> None:
        self.made = made
        self.sealed = sealed
        self._whole = False
        self._paths: set[bytes] = set()

    def add(self, paths: set[bytes] | None) -> bool:
        """Ask for more outputs, None for all; False when they were asked for already."""
        if self._whole or (paths is not None and self._paths and paths <= self._paths):
            return False
        self._whole = paths is None
        self._paths |= paths or set()
        return True

    def paths(self) -> frozenset[bytes] | None:
        """What was asked for, None for all."""
        return None if self._whole else frozenset(self._paths)

    def own(self) -> Own:
        """The inputs of what was asked for."""
        record = self.sealed.record
        if self._whole or record.kind in COPIES:
            return Own(record.reads, record.listed, record.absent, narrowed=False)
        return self.sealed.own.of(self._paths)
