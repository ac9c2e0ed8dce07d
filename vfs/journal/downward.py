"""Lineage downwards: from a commit, or some of its files, to every commit of the store made from them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import msgspec

from vfs.errors import Corrupt, NotFound, ObjectMissing
from vfs.journal.affected import COPIES, Affected, Use, affected, copied
from vfs.journal.builder import Builder
from vfs.journal.consumers import Consumer, Consumers
from vfs.journal.fetching import fetched
from vfs.journal.graph import Certainty, commit_key
from vfs.journal.origins import Origins
from vfs.journal.sealed import Sealed, sealed_record
from vfs.journal.source import Source, asked, commit_source
from vfs.journal.usage import Usage
from vfs.model.commit import StoredCommit
from vfs.repo.commits import read_commit
from vfs.repo.library import Library

# Sources whose uses are looked for together, so that what has to be fetched for them comes at once.
_TOGETHER = 64


class _Found(msgspec.Struct, frozen=True):
    """A run that may have used a source: its commit, the one it was given, its record."""

    source: Source
    given: StoredCommit
    made: StoredCommit
    sealed: Sealed | None


class Downward:
    """One walk. A commit that is found is looked behind once, and again when more of it turns out to be affected."""

    def __init__(self, library: Library, *, depth: int | None, listings: bool = False) -> None:
        """`depth`: runs to follow, None for all; `listings`: listings and absent names are uses too.

        Lists all commits of the store.
        """
        self.builder = Builder()
        self.affected: dict[str, Affected] = {}
        self._library = library
        self._depth = depth
        self._listings = listings
        self._origins = Origins(library)
        self._consumers = Consumers(library)
        self._usage = Usage(library, self._consumers, self._origins, note=self.builder.note)
        self._queue: deque[Source] = deque()
        for note in self._consumers.notes:
            self.builder.note(note)

    def walk(self, stored: StoredCommit, paths: frozenset[bytes] | None, *, all_versions: bool = False) -> None:
        """Add to the graph what was made from `stored`, or from these paths of it."""
        self.builder.commit(stored)
        try:
            self._queue.append(self._root(stored, paths, all_versions=all_versions))
            while self._queue:
                together = [self._queue.popleft() for _ in range(min(_TOGETHER, len(self._queue)))]
                for found in self._fetched(self._candidates(together)):
                    self._consider(found)
        finally:
            self._consumers.close()
        for id, effect in self.affected.items():
            self.builder.affected(id, direct=effect.direct, possible=effect.possible)

    def _root(self, stored: StoredCommit, paths: frozenset[bytes] | None, *, all_versions: bool) -> Source:
        if paths is None:
            return self._commit(stored, direct=None, runs=0)
        return asked(self._library, stored, paths, any_bytes=all_versions, listings=self._listings)

    def _commit(self, stored: StoredCommit, *, direct: frozenset[bytes] | None, runs: int) -> Source:
        return commit_source(self._library, stored, direct=direct, runs=runs, listings=self._listings)

    def _candidates(self, sources: Iterable[Source]) -> Iterator[tuple[Source, Consumer]]:
        for source in sources:
            repo = source.stored.commit.repo
            marks = source.marks(repo)
            consumers = self._usage.of_commit(source.stored) if marks is None else self._usage.of_paths(repo, marks)
            yield from ((source, consumer) for consumer in consumers)

    def _fetched(self, candidates: Iterator[tuple[Source, Consumer]]) -> Iterator[_Found]:
        def fetch(candidate: tuple[Source, Consumer]) -> _Found | str:
            source, consumer = candidate
            try:
                made = read_commit(self._library, consumer.repo, consumer.commit)
                given = read_commit(self._library, source.stored.commit.repo, consumer.input)
                return _Found(source, given, made, sealed_record(self._library, made))
            except (NotFound, ObjectMissing, Corrupt) as error:
                return str(error)

        for found in fetched(self._library, fetch, candidates):
            if isinstance(found, str):
                self.builder.note(found)
            else:
                yield found

    def _consider(self, found: _Found) -> None:
        try:
            uses = self._uses(found)
            if uses is not None:
                self._add(found, uses)
        except (NotFound, ObjectMissing, Corrupt) as error:
            self.builder.note(str(error))

    def _uses(self, found: _Found) -> list[Use] | None:
        """How the run used the source; None when it did not. No use in the list: it may have."""
        source, sealed = found.source, found.sealed
        if sealed is None:
            return [] if source.may_be_in(found.given, self._origins) else None
        uses = []
        for place, reading in enumerate(sealed.readings):
            if (reading.input.repo, reading.input.commit) == (found.given.commit.repo, found.given.id):
                files = source.files_in(found.given, reading, self._origins)
                if files or source.counts_unread(found.given, self._origins, observed=sealed.observed):
                    direct = source.direct_of(files)
                    uses.append(Use(place, files, direct))
        return uses or None

    def _add(self, found: _Found, uses: list[Use]) -> None:
        """Add a run that used the source and the commit it made, and ask who used that."""
        made, source = found.made, found.source
        effect = self._effect(found, uses)
        if effect is None:
            return
        start = commit_key(source.stored.commit.repo, source.stored.id)
        if self._depth is not None and source.runs >= self._depth:
            self.builder.mark(start, more=True)
            return
        target = self._draw(found, uses, effect, start)
        known = self.affected.get(target)
        joined = effect if known is None else known.joined(effect)
        if joined != known and target != start:
            self.affected[target] = joined
            self._queue.append(self._commit(made, direct=joined.direct, runs=source.runs + 1))

    def _effect(self, found: _Found, uses: list[Use]) -> Affected | None:
        """What was made from it; None for a merge, revert or reset that took over nothing of it."""
        sealed = found.sealed
        if sealed is None or sealed.record.kind not in COPIES:
            return affected(self._library, found.made, sealed, uses)
        paths = found.source.all_in(found.given, self._origins)
        taken = copied(self._library, found.made, found.given, paths)
        direct = taken & found.source.direct_paths(paths)
        return Affected(direct, taken - direct) if taken else None

    def _draw(self, found: _Found, uses: list[Use], effect: Affected, start: str) -> str:
        held = self.builder.commit(found.given)
        if held != start:
            self.builder.edge(start, held, "carried", files=sum(len(use.reading.files) for use in uses))
        target = self.builder.commit(found.made)
        if found.sealed is None:
            self.builder.edge(held, target, "given", certainty="possible")
            return target
        run = self.builder.run(found.made, found.sealed)
        for use in uses:
            if use.reading:
                files = self.builder.add_files(found.made, use.place, use.reading)
                self.builder.edge(held, files, "holds", files=len(use.reading.files))
                self.builder.edge(files, run, "read", files=len(use.reading.files))
            else:
                self.builder.edge(held, run, "given")
        certainty: Certainty = "direct" if effect.direct else "possible"
        self.builder.edge(run, target, "made", files=len(found.sealed.record.outputs), certainty=certainty)
        return target
