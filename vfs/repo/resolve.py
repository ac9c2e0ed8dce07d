"""From a revision as typed to a commit: branch, then tag, then the start of a commit id."""

from __future__ import annotations

import difflib
import re

import msgspec

from vfs.errors import AmbiguousRevision, Refused, RevisionNotFound, UsageError
from vfs.model.commit import StoredCommit
from vfs.model.ids import Digest, short
from vfs.model.revision import Revision
from vfs.repo.commits import by_prefix, read_linked
from vfs.repo.library import Library
from vfs.repo.refs import Refs
from vfs.repo.repos import repo_info

_PREFIX = re.compile(r"[0-9a-f]{4,64}")
_CANDIDATES_SHOWN = 8


class Resolved(msgspec.Struct, frozen=True):
    """A revision and the commit it means. `branch` is set when the revision named a branch (also with ~N).

    `path` is the path of the revision, not checked against the tree.
    """

    revision: Revision
    repo: str
    stored: StoredCommit
    path: bytes
    branch: str | None


class Target(msgspec.Struct, frozen=True):
    """A branch to commit to: its head, or None when the branch is still to be made."""

    repo: str
    branch: str
    head: StoredCommit | None


def resolve(library: Library, revision: Revision) -> Resolved:
    """The commit a revision names; RepoNotFound, RevisionNotFound, AmbiguousRevision."""
    id, branch = _named(library, revision)
    stored = read_linked(library, revision.repo, id, by=str(revision))
    for step in range(revision.back):
        if not stored.commit.parents:
            raise RevisionNotFound(f"{revision}: the history has only {step + 1} commit{'s' if step else ''}")
        stored = read_linked(library, revision.repo, stored.commit.parents[0], by=str(revision))
    return Resolved(revision, revision.repo, stored, revision.path, branch)


def resolve_branch(library: Library, revision: Revision) -> Target:
    """The branch a command writes to. Refused for a tag or a commit, UsageError for `~N`."""
    if revision.back:
        raise UsageError(f"{revision}: only a branch can be committed to, without ~{revision.back}")
    refs = Refs(library, revision.repo)
    found = refs.branches.find(revision.branch)
    if found is not None:
        head = read_linked(library, revision.repo, found[0], by=str(revision))
        return Target(revision.repo, revision.branch, head)
    repo_info(library, revision.repo)
    if revision.rev is not None:
        _refuse_other_kinds(library, refs, revision, revision.rev)
    return Target(revision.repo, revision.branch, None)


def _refuse_other_kinds(library: Library, refs: Refs, revision: Revision, rev: str) -> None:
    if refs.tags.find(rev) is not None:
        raise Refused(f"{revision}: is a tag; only a branch can be committed to")
    if _PREFIX.fullmatch(rev) and by_prefix(library, revision.repo, rev):
        raise Refused(f"{revision}: is a commit; only a branch can be committed to")


def _named(library: Library, revision: Revision) -> tuple[Digest, str | None]:
    refs = Refs(library, revision.repo)
    branch = refs.branches.find(revision.branch)
    if branch is not None:
        return branch[0], revision.branch
    repo_info(library, revision.repo)
    if revision.rev is None:
        raise RevisionNotFound(_no_default_branch(refs, revision))
    tag = refs.tags.find(revision.rev)
    return (tag[0] if tag is not None else _by_prefix(library, refs, revision, revision.rev)), None


def _by_prefix(library: Library, refs: Refs, revision: Revision, rev: str) -> Digest:
    found = by_prefix(library, revision.repo, rev) if _PREFIX.fullmatch(rev) else []
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(short(id) for id in found[:_CANDIDATES_SHOWN])
        more = f" and {len(found) - _CANDIDATES_SHOWN} more" if len(found) > _CANDIDATES_SHOWN else ""
        raise AmbiguousRevision(f"{revision}: {len(found)} commits start so: {shown}{more}")
    raise RevisionNotFound(_unknown(refs, revision, rev))


def _unknown(refs: Refs, revision: Revision, rev: str) -> str:
    names = [ref.name for kind in (refs.branches, refs.tags) for ref in kind.list()]
    near = difflib.get_close_matches(rev, names, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"{revision}: no branch, tag or commit {rev}{hint}"


def _no_default_branch(refs: Refs, revision: Revision) -> str:
    branches = [ref.name for ref in refs.branches.list()]
    if branches:
        return f"{revision}: no branch {revision.branch}; there is {', '.join(branches[:_CANDIDATES_SHOWN])}"
    return f"{revision}: no commits yet"
