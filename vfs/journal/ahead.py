"""Objects that a walk upwards will ask for, fetched while it is still busy with those before.

Each step of a walk is known only when the one before was read: a thousand steps are a thousand times the latency of the
store, one after another. What the commits were made from is remembered on this host, so the second walk knows its way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from vfs.errors import VfsError
from vfs.journal.fetching import WORKERS, is_far
from vfs.journal.input_cache import InputCache, Source, cache_path
from vfs.model.commit import StoredCommit
from vfs.repo.commits import read_commit, read_record
from vfs.repo.library import COMMITS_KEPT, Library


class Ahead:
    """The fetching for one walk. With a store on local disk it does nothing: there is no latency to hide.

    Used by one thread, and `close` must be called by it; the threads that fetch touch only the library.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._is_far = is_far(library)
        self._cache = InputCache(cache_path(library) if self._is_far else None)
        self._known = self._cache.all()
        self._fresh: dict[Source, tuple[Source, ...]] = {}
        self._pool: ThreadPoolExecutor | None = None

    def start(self, stored: StoredCommit) -> None:
        """Begin to fetch what `stored` is known to be made from."""
        if not self._is_far:
            return
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="vfs-ahead")
        for source in self._way(stored):
            self._pool.submit(self._fetch, source)

    def saw(self, stored: StoredCommit) -> None:
        """Remember what a commit was made from, for the next walk."""
        source = (stored.commit.repo, stored.id)
        if self._is_far and source not in self._known:
            self._fresh[source] = tuple((item.repo, item.commit) for item in stored.commit.inputs)

    def close(self) -> None:
        """Stop fetching, and keep what was seen."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._cache.add(self._fresh.items())
        self._cache.close()

    def _way(self, stored: StoredCommit) -> Iterator[Source]:
        """The commits behind `stored`, the nearest first, as many as the library holds."""
        seen: set[Source] = set()
        queue = deque((item.repo, item.commit) for item in stored.commit.inputs)
        while queue and len(seen) < COMMITS_KEPT // 2:
            source = queue.popleft()
            if source not in seen:
                seen.add(source)
                queue.extend(self._known.get(source, ()))
                yield source

    def _fetch(self, source: Source) -> None:
        try:
            found = read_commit(self._library, *source)
            read_record(self._library, found)
            for parent in found.commit.parents[:1]:
                read_commit(self._library, found.commit.repo, parent)
            self._library.tree(found).find(b"")
        except VfsError:
            # The walk meets it in its turn, and knows what to make of it.
            return
