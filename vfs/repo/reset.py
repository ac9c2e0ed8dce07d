"""`vfs reset`: a branch back at another commit, or one path of it as it was there."""

from __future__ import annotations

import time

import msgspec

from vfs.errors import PathNotFound, RevisionNotFound, UsageError
from vfs.model.commit import InputCommit, StoredCommit
from vfs.model.ids import Digest, short
from vfs.model.names import printable
from vfs.model.record import RunRecord
from vfs.model.revision import Revision
from vfs.repo.commit import commit_tree
from vfs.repo.library import Library
from vfs.repo.refs import Refs
from vfs.repo.resolve import Target, resolve, resolve_branch
from vfs.repo.sealing import sealed_with
from vfs.repo.settle import bring
from vfs.tree.edit import edit


class Reset(msgspec.Struct, frozen=True):
    """What a reset did: where the branch was, where it is, and the commit it was to be like."""

    old: Digest
    stored: StoredCommit
    source: StoredCommit

    @property
    def changed(self) -> bool:
        """False when everything was so already."""
        return self.old != self.stored.id


def reset_branch(library: Library, branch: Revision, revision: Revision) -> Reset:
    """Point a branch at the commit of `revision`, which must be of the same repo; no commit is made.

    Conflict when another writer moved the branch meanwhile; UsageError, Refused, RevisionNotFound.
    """
    _check(branch, revision)
    _existing(library, branch)
    branches = Refs(library, branch.repo).branches
    old, version = branches.get(branch.branch)
    source = resolve(library, revision).stored
    if source.id != old:
        branches.move(branch.branch, source.id, expected=version)
    return Reset(old, source, source)


def reset_path(
    library: Library,
    target: Revision,
    revision: Revision,
    *,
    message: str = "",
    author: str | None = None,
    record: RunRecord | None = None,
) -> Reset:
    """Commit the tree of a branch with the path of `target` as it is in `revision`: added, changed or removed.

    PathNotFound when neither has it; Conflict when another writer changed the path meanwhile. When it is the
    same already no commit is made.
    """
    _check(target, revision)
    found = _existing(library, target)
    head = found.head
    assert head is not None
    source = resolve(library, revision).stored
    tree, wanted = library.tree(head), library.tree(source)
    if tree.find(target.path) is None and wanted.find(target.path) is None:
        raise PathNotFound(f"{target}: no such path, neither there nor in {short(source.id)}")
    changes = bring(tree, wanted, target.path)
    if not changes:
        return Reset(head.id, head, source)
    writer = library.writer()
    root = edit(tree, writer, changes, mtime_ns=time.time_ns())
    if root.ref.digest == head.commit.root:
        return Reset(head.id, head, source)
    given = (InputCommit(found.repo, found.repo, source.id),)
    stored = commit_tree(
        library,
        repo=found.repo,
        branch=found.branch,
        root=root,
        base=head,
        author=author or library.settings.author,
        message=message or f"reset {printable(target.path)} to {short(source.id)}",
        record=sealed_with(record, given),
        inputs=given,
        writer=writer,
    )
    return Reset(head.id, stored, source)


def _check(target: Revision, revision: Revision) -> None:
    if revision.repo != target.repo:
        raise UsageError(f"{revision}: of repo {revision.repo}; {target.repo} is reset to a commit of its own")
    if revision.path not in (b"", target.path):
        raise UsageError(f"{revision}: another path than that of {target}; give the path with the branch")


def _existing(library: Library, target: Revision) -> Target:
    found = resolve_branch(library, target)
    if found.head is None:
        where = f"{target.repo}@{target.branch}"
        raise RevisionNotFound(f"{target.repo}: no branch {target.branch}; vfs branch create {where} makes one")
    return found
