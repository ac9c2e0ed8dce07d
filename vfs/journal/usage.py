"""Which runs used a commit, or a path of a repo: each run of a store is looked at once on each host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from vfs.errors import Corrupt, NotFound, ObjectMissing
from vfs.journal.consumers import Consumer, Consumers
from vfs.journal.drawn import draw, may_have
from vfs.journal.fetching import fetched
from vfs.journal.input_cache import Drawn, Source
from vfs.journal.origins import Origins
from vfs.model.commit import StoredCommit
from vfs.model.ids import Digest
from vfs.repo.commits import read_commit, read_record
from vfs.repo.library import Library


class Usage:
    """The consumers of commits. What cannot be read is noted, and counts as if it had used all it was given."""

    def __init__(
        self, library: Library, consumers: Consumers, origins: Origins, *, note: Callable[[str], None]
    ) -> None:
        """`note` is told what could not be read."""
        self._library = library
        self._consumers = consumers
        self._origins = origins
        self._note = note
        self._drawn: dict[str, list[tuple[Consumer, Drawn | None]]] = {}
        self._by_origin: dict[str, dict[Digest, list[Consumer]]] = {}

    def of_paths(self, repo: str, marks: Iterable[int]) -> Iterator[Consumer]:
        """The commits that may have had one of these things of the repo, from whichever commit of it."""
        wanted = frozenset(marks)
        for consumer, drawn in self._of_repo(repo):
            if drawn is None or may_have(drawn, wanted):
                yield consumer

    def of_commit(self, stored: StoredCommit) -> list[Consumer]:
        """The commits whose runs were given `stored`, or used what it made by way of a later commit of the repo."""
        repo = stored.commit.repo
        if repo not in self._by_origin:
            self._by_origin[repo] = self._index(repo)
        return self._by_origin[repo].get(stored.id, [])

    def _index(self, repo: str) -> dict[Digest, list[Consumer]]:
        index: dict[Digest, list[Consumer]] = {}
        for consumer, drawn in self._of_repo(repo):
            used = {id for source, id in drawn.origins if source == repo} if drawn is not None else set()
            for id in used | {consumer.input}:
                index.setdefault(id, []).append(consumer)
        return index

    def _of_repo(self, repo: str) -> list[tuple[Consumer, Drawn | None]]:
        if repo not in self._drawn:
            consumers = self._consumers.of_repo(repo)
            known = {source: self._consumers.cache.drawn(source) for source in map(_made, consumers)}
            fresh = list(self._read([source for source, drawn in known.items() if drawn is None]))
            self._consumers.cache.add_drawn(fresh)
            known.update(((drawn.repo, drawn.commit), drawn) for drawn in fresh)
            self._drawn[repo] = [(consumer, known[_made(consumer)]) for consumer in consumers]
        return self._drawn[repo]

    def _read(self, sources: list[Source]) -> Iterator[Drawn]:
        def fetch(source: Source) -> StoredCommit | str:
            try:
                made = read_commit(self._library, *source)
                # Its content is in the cache afterwards: what takes time is the way to the store.
                read_record(self._library, made)
            except (NotFound, ObjectMissing, Corrupt) as error:
                return str(error)
            return made

        for made in fetched(self._library, fetch, sources):
            try:
                if isinstance(made, str):
                    self._note(made)
                else:
                    yield draw(self._library, self._origins, made)
            except (NotFound, ObjectMissing, Corrupt) as error:
                self._note(str(error))


def _made(consumer: Consumer) -> Source:
    return consumer.repo, consumer.commit
