"""`vfs revert`: a commit that undoes what an earlier one changed, all of it or below a path.

Three-way with the earlier commit as the base: its parent is one side, the head of the branch the other. What
came later and touches other paths stays.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec

from vfs.errors import PathNotFound, RevisionNotFound, UsageError
from vfs.model.commit import InputCommit, StoredCommit
from vfs.model.ids import short
from vfs.model.names import printable
from vfs.model.record import RunRecord
from vfs.model.revision import DEFAULT_BRANCH, Revision
from vfs.repo.commit import commit_tree
from vfs.repo.commits import read_linked
from vfs.repo.library import Library
from vfs.repo.merge import merge_changes
from vfs.repo.resolve import Resolved, Target, resolve, resolve_branch
from vfs.repo.sealing import sealed_with
from vfs.repo.settle import missing_above
from vfs.tree.diff import Difference, diff
from vfs.tree.edit import Change, Put, edit


class Reverted(msgspec.Struct, frozen=True):
    """The commit undone, the branch, and its head; `changed` is False when nothing was left to undo."""

    undone: StoredCommit
    branch: str
    stored: StoredCommit
    changed: bool


def revert(
    library: Library,
    revision: Revision,
    *,
    branch: str | None = None,
    parent: int | None = None,
    message: str = "",
    author: str | None = None,
    record: RunRecord | None = None,
) -> Reverted:
    """Commit to a branch the undoing of what the commit of `revision` changed at and below its path.

    The branch is the one that `revision` names unless `branch` says otherwise, else main. `parent` (from 1) says
    against which parent a merge changed things. Errors: UsageError for a merge without `parent` or a parent that is
    not there, PathNotFound when the commit changed nothing at the path, Conflict naming what changed since.
    """
    resolved = resolve(library, revision)
    target = _target(library, resolved, branch)
    head = target.head
    assert head is not None
    before = _parent(library, resolved, parent)
    changes = _changes(library, resolved, before, target)
    writer = library.writer()
    root = edit(library.tree(head), writer, changes, mtime_ns=time.time_ns())
    if root.ref.digest == head.commit.root:
        return Reverted(resolved.stored, target.branch, head, False)
    given = (InputCommit(target.repo, target.repo, before.id),) if before is not None else ()
    stored = commit_tree(
        library,
        repo=target.repo,
        branch=target.branch,
        root=root,
        base=head,
        author=author or library.settings.author,
        message=message or _default_message(resolved),
        record=sealed_with(record, given),
        inputs=given,
        writer=writer,
    )
    return Reverted(resolved.stored, target.branch, stored, True)


def _target(library: Library, resolved: Resolved, branch: str | None) -> Target:
    target = resolve_branch(library, Revision(resolved.repo, branch or resolved.branch or DEFAULT_BRANCH))
    if target.head is None:
        raise RevisionNotFound(f"{target.repo}: no branch {target.branch}; --on says on which branch to revert")
    return target


def _parent(library: Library, resolved: Resolved, number: int | None) -> StoredCommit | None:
    parents = resolved.stored.commit.parents
    what = f"{resolved.revision}: commit {short(resolved.stored.id)}"
    if number is None and len(parents) > 1:
        raise UsageError(f"{what} is a merge of {len(parents)} parents; --parent N says which of them to go back to")
    if number is not None and not 1 <= number <= len(parents):
        raise UsageError(f"{what} has {len(parents)} parent{'' if len(parents) == 1 else 's'}, no parent {number}")
    if not parents:
        return None
    return read_linked(library, resolved.repo, parents[(number or 1) - 1], by=what)


def _changes(library: Library, resolved: Resolved, before: StoredCommit | None, target: Target) -> list[Change]:
    """What to do to the head of the branch; directories above that a later commit removed come back."""
    assert target.head is not None
    tree, head = library.tree(resolved.stored), library.tree(target.head)
    undoing = _undoing(library, resolved, before)
    first = next(undoing, None)
    if first is None:
        if resolved.path:
            raise PathNotFound(f"{resolved.revision}: the commit changed nothing there")
        return []
    where = f"{target.repo}@{target.branch} and {short(resolved.stored.id)}"
    changes = merge_changes(_with(first, undoing), diff(tree, head), where=where)
    if before is None or not any(isinstance(one, Put) for one in changes):
        return changes
    return [*missing_above(head, library.tree(before), resolved.path), *changes]


def _undoing(library: Library, resolved: Resolved, before: StoredCommit | None) -> Iterator[Difference]:
    tree = library.tree(resolved.stored)
    if before is not None:
        return diff(tree, library.tree(before), prefix=resolved.path)
    # Before the first commit there was an empty tree: its root stays.
    return (Difference(entry.path, entry, None) for entry in tree.walk(resolved.path) if entry.path)


def _with(first: Difference, rest: Iterator[Difference]) -> Iterator[Difference]:
    yield first
    yield from rest


def _default_message(resolved: Resolved) -> str:
    subject = resolved.stored.commit.message.strip().partition("\n")[0]
    below = f":{printable(resolved.path)}" if resolved.path else ""
    return f"revert {short(resolved.stored.id)}{below}" + (f": {subject}" if subject else "")
