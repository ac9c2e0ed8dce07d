"""Where two branches of one repo parted."""

from __future__ import annotations

from collections.abc import Iterator

from vfs.model.commit import StoredCommit
from vfs.model.revision import Revision
from vfs.repo.history import log
from vfs.repo.library import Library
from vfs.repo.resolve import Resolved, Target

# How far back both histories are searched.
_HISTORY_MAX = 10_000


def parted(library: Library, target: Target, head: StoredCommit, last: StoredCommit) -> StoredCommit | None:
    """The newest commit that the histories of both hold, if they are of one repo and have one."""
    if last.commit.repo != target.repo:
        return None
    ours = {stored.id for stored in _history(library, target, last)}
    return next((stored for stored in _history(library, target, head) if stored.id in ours), None)


def _history(library: Library, target: Target, start: StoredCommit) -> Iterator[StoredCommit]:
    resolved = Resolved(Revision(target.repo, target.branch), target.repo, start, b"", target.branch)
    return log(library, resolved, path=b"", limit=_HISTORY_MAX)
