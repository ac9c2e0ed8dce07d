"""`vfs merge`: what another revision changed since the common ancestor, brought into a branch.

Three ends: the branch has it all already; the branch has nothing of its own since then and just moves
forward; or a commit with two parents. Until the branch moves nothing is visible to anyone.
"""

from __future__ import annotations

import random
import time
from enum import Enum

import msgspec

from vfs.errors import Conflict, PathNotFound, RevisionNotFound, UsageError
from vfs.model.commit import InputCommit, StoredCommit
from vfs.model.ids import short
from vfs.model.names import check_path, printable
from vfs.model.record import RunRecord
from vfs.model.revision import Revision
from vfs.repo.ancestry import common_ancestor
from vfs.repo.commit import ATTEMPTS, PAUSE_FIRST, PAUSE_MOST, commit_tree
from vfs.repo.library import Library
from vfs.repo.merge import merge_changes, since
from vfs.repo.refs import Refs
from vfs.repo.resolve import resolve, resolve_branch
from vfs.repo.sealing import sealed_with
from vfs.repo.settle import settle, without
from vfs.tree.edit import Change, edit


class MergeEnd(Enum):
    """How a merge ended."""

    CONTAINED = "contained"
    FORWARD = "fast-forward"
    MERGED = "merged"


class Merge(msgspec.Struct, frozen=True):
    """What a merge did, or would do. `stored` is the head of the branch afterwards (as it is, for a dry run).

    `base` is the common ancestor (None: two histories that began apart), `old` the head before.
    """

    end: MergeEnd
    old: StoredCommit
    other: StoredCommit
    base: StoredCommit | None
    stored: StoredCommit


class MergeOptions(msgspec.Struct, frozen=True):
    """How to merge: `ours` and `theirs` are paths that are settled by one side, with all below them."""

    dry_run: bool = False
    forward: bool = True
    ours: tuple[bytes, ...] = ()
    theirs: tuple[bytes, ...] = ()

    @property
    def may_forward(self) -> bool:
        """A branch that just moves takes everything: not when a path is to stay as it is."""
        return self.forward and not self.ours


def merge(
    library: Library,
    into: Revision,
    revision: Revision,
    *,
    message: str = "",
    author: str | None = None,
    record: RunRecord | None = None,
    options: MergeOptions | None = None,
) -> Merge:
    """Bring what `revision` changed since the common ancestor into the branch `into`; a dry run stores nothing.

    Conflict names the paths that both changed. RevisionNotFound for a branch that is not there, Refused for a
    tag, UsageError for paths, other repos, and a path settled twice. After any error the branch is as it was.
    """
    chosen = options or MergeOptions()
    _check(into, revision, chosen)
    other = resolve(library, revision).stored
    job = _Job(library, into, revision, other, message, author, record, chosen)
    for attempt in range(ATTEMPTS):
        found = job.attempt()
        if found is not None:
            return found
        time.sleep(random.uniform(0, min(PAUSE_FIRST * 2**attempt, PAUSE_MOST)))
    raise Conflict(f"{into.repo}@{into.branch}: was moved by other writers {ATTEMPTS} times in a row; try again")


def _check(into: Revision, revision: Revision, options: MergeOptions) -> None:
    for one in (into, revision):
        if one.path:
            raise UsageError(f"{one}: whole revisions are merged, without a path")
    if into.repo != revision.repo:
        raise UsageError(f"{revision}: only revisions of repo {into.repo} can be merged into {into}")
    for path in (*options.ours, *options.theirs):
        if not check_path(path):
            raise UsageError("--ours and --theirs take a path below the root")
    settled = sorted((*options.ours, *options.theirs))
    for path in settled:
        if settled.count(path) > 1 or any(path.startswith(above + b"/") for above in settled):
            raise UsageError(f"{printable(path)}: is settled twice, itself or by a directory above it")


class _Job(msgspec.Struct, frozen=True):
    library: Library
    into: Revision
    revision: Revision
    other: StoredCommit
    message: str
    author: str | None
    record: RunRecord | None
    options: MergeOptions

    def attempt(self) -> Merge | None:
        """One try on the head as it is now; None when a plain move of the branch lost the race."""
        head = resolve_branch(self.library, self.into).head
        if head is None:
            where = f"{self.into.repo}@{self.into.branch}"
            raise RevisionNotFound(
                f"{self.into.repo}: no branch {self.into.branch}; vfs branch create {where} {self.revision} makes one"
            )
        base = common_ancestor(self.library, head, self.other)
        if base is not None and base.id == self.other.id:
            return Merge(MergeEnd.CONTAINED, head, self.other, base, head)
        if base is not None and base.id == head.id and self.options.may_forward:
            return self._forward(head)
        return self._merged(head, base)

    def _forward(self, head: StoredCommit) -> Merge | None:
        done = Merge(MergeEnd.FORWARD, head, self.other, head, self.other)
        if self.options.dry_run:
            return msgspec.structs.replace(done, stored=head)
        branches = Refs(self.library, self.into.repo).branches
        now, version = branches.get(self.into.branch)
        if now != head.id:
            return None
        try:
            branches.move(self.into.branch, self.other.id, expected=version)
        except Conflict:
            return None
        return done

    def _merged(self, head: StoredCommit, base: StoredCommit | None) -> Merge:
        changes = self._changes(head, base)
        if self.options.dry_run:
            return Merge(MergeEnd.MERGED, head, self.other, base, head)
        writer = self.library.writer()
        given = (InputCommit(self.into.repo, self.into.repo, self.other.id),)
        stored = commit_tree(
            self.library,
            repo=self.into.repo,
            branch=self.into.branch,
            root=edit(self.library.tree(head), writer, changes, mtime_ns=time.time_ns()),
            base=head,
            author=self.author or self.library.settings.author,
            message=self.message or self._default_message(),
            record=sealed_with(self.record, given),
            inputs=given,
            merged=self.other,
            writer=writer,
        )
        end = MergeEnd.MERGED if self.other.id in stored.commit.parents else MergeEnd.CONTAINED
        return Merge(end, head, self.other, base, stored)

    def _changes(self, head: StoredCommit, base: StoredCommit | None) -> list[Change]:
        before = self.library.tree(base) if base is not None else None
        theirs, ours = self.library.tree(self.other), self.library.tree(head)
        options = self.options
        settled = (*options.ours, *options.theirs)
        for path in settled:
            if ours.find(path) is None and theirs.find(path) is None:
                raise PathNotFound(f"{self.into}:{printable(path)}: no such path on either side")
        changes = merge_changes(
            without(since(before, theirs), settled),
            without(since(before, ours), settled),
            where=f"{self.into.repo}@{self.into.branch}",
        )
        if not settled:
            return changes
        as_in = [(path, ours) for path in options.ours] + [(path, theirs) for path in options.theirs]
        return settle(changes, ours, as_in=as_in)

    def _default_message(self) -> str:
        named = self.revision.rev or self.revision.branch
        back = f"~{self.revision.back}" if self.revision.back else ""
        return f"merge {self.revision.repo}@{named}{back} ({short(self.other.id)}) into {self.into.branch}"
