"""Who changed a path last, and before that: a walk over the history of a repo that looks through merges.

A commit changed a path when it differs there from each of its parents.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

from vfs.model.commit import StoredCommit
from vfs.model.entry import Entry
from vfs.model.ids import Digest, short
from vfs.repo.commits import read_linked
from vfs.repo.library import Library
from vfs.tree.diff import diff


def history(library: Library, stored: StoredCommit, path: bytes) -> Iterator[tuple[StoredCommit, Entry | None]]:
    """Each commit that made a version of the file `path`, the newest first, and what it made; None: it removed it."""
    entry = library.tree(stored).find(path)
    while True:
        parents = list(_parents(library, stored))
        olds = [library.tree(parent).find(path) for parent in parents]
        same = next((place for place, old in enumerate(olds) if _same(old, entry)), None)
        if same is not None:
            stored = parents[same]
            continue
        if parents or entry is not None:
            yield stored, entry
        if not parents:
            return
        stored, entry = parents[0], olds[0]


def changed_by(
    library: Library, stored: StoredCommit, directory: bytes, names: set[bytes]
) -> Iterator[tuple[StoredCommit, set[bytes]]]:
    """For each commit that last changed some of `names` (paths below `directory`): the commit and those.

    A directory is changed by whoever changed something below it. Newer commits come first.
    """
    waiting: dict[Digest, tuple[StoredCommit, set[bytes]]] = {stored.id: (stored, set(names))}
    order = [(-stored.commit.time_ns, stored.id)]
    while order:
        current, left = waiting.pop(heappop(order)[1])
        for parent in _parents(library, current):
            changed = _changed(library, parent, current, directory, left)
            if kept := left - changed:
                left = left & changed
                if parent.id not in waiting:
                    waiting[parent.id] = (parent, set())
                    heappush(order, (-parent.commit.time_ns, parent.id))
                waiting[parent.id][1].update(kept)
        if left:
            yield current, left


def _changed(
    library: Library, parent: StoredCommit, stored: StoredCommit, directory: bytes, names: set[bytes]
) -> set[bytes]:
    """Those of `names` at or below which the commit differs from a parent."""
    found: set[bytes] = set()
    if not names or parent.commit.root == stored.commit.root:
        return found
    for change in diff(library.tree(parent), library.tree(stored), prefix=directory):
        path = change.path
        while len(path) > len(directory):
            if path in names:
                found.add(path)
                break
            path = path.rpartition(b"/")[0]
        if len(found) == len(names):
            break
    return found


def _same(old: Entry | None, new: Entry | None) -> bool:
    if old is None or new is None:
        return old is new
    return old.same_as(new)


def _parents(library: Library, stored: StoredCommit) -> Iterator[StoredCommit]:
    repo = stored.commit.repo
    for id in stored.commit.parents:
        yield read_linked(library, repo, id, by=f"{repo}: parent of {short(stored.id)}")
