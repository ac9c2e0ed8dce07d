"""`vfs rm`: a commit without some paths."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from vfs.errors import PathNotFound, RevisionNotFound, UsageError
from vfs.model.commit import StoredCommit
from vfs.model.names import check_path, printable
from vfs.model.record import RunRecord
from vfs.model.revision import Revision
from vfs.repo.commit import commit_tree
from vfs.repo.library import Library
from vfs.repo.resolve import resolve_branch
from vfs.tree.edit import Remove, edit

_NAMED = 3


def remove(
    library: Library,
    revision: Revision,
    paths: Sequence[bytes] = (),
    *,
    message: str = "",
    author: str | None = None,
    record: RunRecord | None = None,
) -> StoredCommit:
    """Commit the tree of a branch without the path of `revision` and without `paths`, each with all below it.

    Errors: PathNotFound when one of them is not there, UsageError for the root, Conflict when another
    writer changed the same paths meanwhile.
    """
    wanted = _wanted(revision, paths)
    target = resolve_branch(library, revision)
    if target.head is None:
        raise RevisionNotFound(f"{target.repo}: no branch {target.branch}")
    tree = library.tree(target.head)
    for path in wanted:
        if tree.find(path) is None:
            raise PathNotFound(f"{target.repo}@{target.branch}:{printable(path)}: no such path")
    writer = library.writer()
    root = edit(tree, writer, [Remove(path) for path in wanted], mtime_ns=time.time_ns())
    return commit_tree(
        library,
        repo=target.repo,
        branch=target.branch,
        root=root,
        base=target.head,
        author=author or library.settings.author,
        message=message or _default_message(wanted),
        record=msgspec.structs.replace(record, ended_ns=time.time_ns()) if record is not None else None,
        writer=writer,
    )


def _wanted(revision: Revision, paths: Sequence[bytes]) -> list[bytes]:
    wanted = [check_path(path) for path in (revision.path, *paths) if path]
    if not wanted or b"" in paths:
        raise UsageError(f"{revision}: no path to remove; the root of a branch stays")
    return wanted


def _default_message(paths: list[bytes]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"rm {', '.join(map(printable, paths[:_NAMED]))}{more}"
