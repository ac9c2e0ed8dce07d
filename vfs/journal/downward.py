"""Lineage downwards: from a commit, or some of its files, to every commit of the store made from them."""

from __future__ import annotations

from collections import deque

import msgspec

from vfs.errors import Corrupt, NotFound, ObjectMissing
from vfs.journal.builder import Builder
from vfs.journal.consumers import Consumer, Consumers
from vfs.journal.graph import commit_key
from vfs.journal.origins import origins
from vfs.journal.sealed import Reading, Sealed, sealed_record
from vfs.journal.usage import Usage
from vfs.model.commit import StoredCommit
from vfs.model.ids import Digest
from vfs.repo.commits import read_commit
from vfs.repo.library import Library


class _Source(msgspec.Struct, frozen=True):
    """What uses are looked for of: a commit, or the files of it in `versions` (path -> commit that last changed it)."""

    stored: StoredCommit
    versions: dict[bytes, Digest] | None
    runs: int


class _Use(msgspec.Struct, frozen=True):
    """An input of a run that used the source, and the files of the source that it read (none: not observed)."""

    place: int
    reading: Reading


class Downward:
    """One walk. Each commit that is found is looked behind once."""

    def __init__(self, library: Library, *, depth: int | None) -> None:
        """`depth`: runs to follow, None for all. Lists all commits of the store."""
        self.builder = Builder()
        self._library = library
        self._depth = depth
        consumers = Consumers(library)
        self._usage = Usage(library, consumers, note=self.builder.note)
        self._queue: deque[_Source] = deque()
        for note in consumers.notes:
            self.builder.note(note)

    def walk(self, stored: StoredCommit, paths: frozenset[bytes] | None) -> None:
        """Add to the graph what was made from `stored`, or from these paths of it."""
        self.builder.commit(stored)
        self._queue.append(_Source(stored, self._versions(stored, paths), 0))
        while self._queue:
            source = self._queue.popleft()
            repo = source.stored.commit.repo
            whole = source.versions is None
            candidates = self._usage.of_commit(source.stored) if whole else self._usage.of_repo(repo)
            for consumer in candidates:
                self._consider(source, consumer)

    def _versions(self, stored: StoredCommit, paths: frozenset[bytes] | None) -> dict[bytes, Digest] | None:
        if paths is None:
            return None
        return {path: origin.id for origin, part in origins(self._library, stored, paths) for path in part}

    def _consider(self, source: _Source, consumer: Consumer) -> None:
        try:
            made = read_commit(self._library, consumer.repo, consumer.commit)
            given = read_commit(self._library, source.stored.commit.repo, consumer.input)
            sealed = sealed_record(self._library, made)
            uses = self._uses(source, given, sealed) if sealed is not None else []
            if uses or (sealed is None and self._may_hold(source, given)):
                self._add(source, given, made, sealed, uses)
        except (NotFound, ObjectMissing, Corrupt) as error:
            self.builder.note(str(error))

    def _uses(self, source: _Source, given: StoredCommit, sealed: Sealed) -> list[_Use]:
        found = []
        for place, reading in enumerate(sealed.readings):
            if (reading.input.repo, reading.input.commit) == (given.commit.repo, given.id):
                files = self._files_of(source, given, reading)
                if files or self._counts_unread(source, given, sealed):
                    found.append(_Use(place, Reading(reading.input, files)))
        return found

    def _files_of(self, source: _Source, given: StoredCommit, reading: Reading) -> tuple[tuple[bytes, Digest], ...]:
        """The files of a reading that are files of the source."""
        if source.versions is None and given.id == source.stored.id:
            return reading.files
        asked = [path for path, _ in reading.files if source.versions is None or path in source.versions]
        same: set[bytes] = set()
        for origin, paths in origins(self._library, given, asked):
            same |= {path for path in paths if self._version(source, path) == origin.id}
        return tuple(item for item in reading.files if item[0] in same)

    def _version(self, source: _Source, path: bytes) -> Digest:
        return source.stored.id if source.versions is None else source.versions[path]

    def _counts_unread(self, source: _Source, given: StoredCommit, sealed: Sealed) -> bool:
        """True for a run of which no read of the source is known, and that is to be shown all the same.

        Where reads were not all seen, it may have read the source. Where they were, it was merely given it:
        worth knowing of the commit that was asked about, and no way by which data went any further.
        """
        if not sealed.observed:
            return self._may_hold(source, given)
        return source.runs == 0 and source.versions is None and given.id == source.stored.id

    def _may_hold(self, source: _Source, given: StoredCommit) -> bool:
        """True when files of the source are in `given`, unchanged."""
        if source.versions is None or given.id == source.stored.id:
            # Of whole commits, only those that hold something of the source are candidates.
            return True
        found = origins(self._library, given, list(source.versions))
        return any(source.versions[path] == origin.id for origin, part in found for path in part)

    def _add(
        self, source: _Source, given: StoredCommit, made: StoredCommit, sealed: Sealed | None, uses: list[_Use]
    ) -> None:
        """Add a run that used the source and the commit it made, and ask who used that."""
        start = commit_key(source.stored.commit.repo, source.stored.id)
        if self._depth is not None and source.runs >= self._depth:
            self.builder.mark(start, more=True)
            return
        held = self.builder.commit(given)
        if held != start:
            self.builder.edge(start, held, "carried", files=sum(len(use.reading.files) for use in uses))
        target = commit_key(made.commit.repo, made.id)
        is_new = not self.builder.has(target)
        self.builder.commit(made)
        if sealed is None:
            self.builder.edge(held, target, "given")
        else:
            self._add_run(held, target, made, sealed, uses)
        if is_new:
            self._queue.append(_Source(made, None, source.runs + 1))

    def _add_run(self, held: str, target: str, made: StoredCommit, sealed: Sealed, uses: list[_Use]) -> None:
        run = self.builder.run(made, sealed)
        for use in uses:
            if use.reading.files:
                files = self.builder.files(made, use.place, use.reading)
                self.builder.edge(held, files, "holds", files=len(use.reading.files))
                self.builder.edge(files, run, "read", files=len(use.reading.files))
            else:
                self.builder.edge(held, run, "given")
        self.builder.edge(run, target, "made", files=len(sealed.record.outputs))
