"""The history of a revision: its commits, newest first, all of them or those that changed a path."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import islice

from vfs.model.commit import StoredCommit
from vfs.model.entry import Kind
from vfs.model.ids import Digest, short
from vfs.repo.commits import read_linked
from vfs.repo.library import Library
from vfs.repo.resolve import Resolved
from vfs.tree.diff import diff


def log(
    library: Library, resolved: Resolved, *, path: bytes | None = None, limit: int | None = None
) -> Iterator[StoredCommit]:
    """The commit and those it comes from, every child before its parents, the later time first otherwise.

    With `path` only commits in which something at or below it differs from their first parent; None takes
    the path of the revision, b"" every commit.
    """
    wanted = resolved.path if path is None else path
    commits = _ancestry(library, resolved.repo, resolved.stored)
    if wanted:
        commits = (stored for stored in commits if _touches(library, resolved.repo, stored, wanted))
    return islice(commits, limit)


def _ancestry(library: Library, repo: str, head: StoredCommit) -> Iterator[StoredCommit]:
    seen: set[Digest] = {head.id}
    queue: list[tuple[int, Digest, StoredCommit]] = [(-head.commit.time_ns, head.id, head)]
    while queue:
        stored = heappop(queue)[2]
        yield stored
        for parent in stored.commit.parents:
            if parent not in seen:
                seen.add(parent)
                older = read_linked(library, repo, parent, by=f"{repo}: parent of {short(stored.id)}")
                heappush(queue, (-older.commit.time_ns, older.id, older))


def _touches(library: Library, repo: str, stored: StoredCommit, path: bytes) -> bool:
    new_tree = library.tree(stored)
    new = new_tree.find(path)
    if not stored.commit.parents:
        return new is not None
    parent = read_linked(library, repo, stored.commit.parents[0], by=f"{repo}: parent of {short(stored.id)}")
    if parent.commit.root == stored.commit.root:
        return False
    old_tree = library.tree(parent)
    old = old_tree.find(path)
    if old is None or new is None:
        return old is not new
    if not old.same_as(new):
        return True
    return new.kind is Kind.DIR and any(True for _ in diff(old_tree, new_tree, prefix=path))
