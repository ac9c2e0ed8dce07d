"""How a finished tree becomes a commit and a branch moves to it.

Order of the durable steps: packs (content, pages, run record), commit object, its signature where commits are
signed, branch: a branch never names a commit that was to be signed and is not. A crash between
two of them leaves the branch as it was, and objects that nothing names yet. The branch moves by
compare-and-swap; who loses the race replays the changes on the new head, if they are disjoint, and
tries again. Nothing is locked, so writers on several hosts never wait for one another.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from vfs.content.writer import ContentWriter
from vfs.errors import Conflict
from vfs.model.commit import Commit, InputCommit, Locations, StoredCommit
from vfs.model.entry import ChunkList
from vfs.model.ids import Digest
from vfs.model.record import RunRecord, encode_record
from vfs.repo.ancestry import comes_from
from vfs.repo.commits import read_linked, write_commit
from vfs.repo.library import Library
from vfs.repo.merge import merge_trees
from vfs.repo.refs import Refs
from vfs.repo.signatures import sign
from vfs.tree.edit import edit
from vfs.tree.writer import Root

# Each lost race means that another writer won one: with twenty of them nobody loses more than nineteen.
ATTEMPTS = 200
PAUSE_FIRST, PAUSE_MOST = 0.002, 0.25
# Bytes of the command line that a log shows; the run record holds all of it.
COMMAND_SHOWN = 1024


def commit_tree(
    library: Library,
    *,
    repo: str,
    branch: str,
    root: Root,
    base: StoredCommit | None,
    author: str,
    message: str,
    record: RunRecord | None,
    inputs: tuple[InputCommit, ...] = (),
    merged: StoredCommit | None = None,
    writer: ContentWriter,
) -> StoredCommit:
    """Commit the tree `root`, made from `base` and written through `writer`, to a branch; make the branch if absent.

    `base` is the commit that the tree was edited from: where the branch has moved on since, what changed
    between `base` and `root` is replayed on its head, which becomes the only parent. Conflict names the
    paths that both sides changed; then, as after any other error, the branch is as it was.

    `merged` is a commit of the repo whose changes are in `root`: it becomes the second parent. Where another
    writer merged it meanwhile and nothing is left to add, the head that has it is returned.
    """
    sealed = _seal(writer, record)
    writer.flush()
    draft = _Draft(library, writer, repo, branch, root, base, author, message, inputs, sealed, merged)
    return draft.land()


@dataclass(frozen=True)
class _Sealed:
    """The run record as stored content, and what the commit repeats of it."""

    digest: Digest = b""
    content: bytes | ChunkList = b""
    size: int = 0
    command: tuple[bytes, ...] = ()
    inputs: tuple[InputCommit, ...] = ()


def _seal(writer: ContentWriter, record: RunRecord | None) -> _Sealed:
    if record is None:
        return _Sealed()
    data = encode_record(record)
    digest, content = writer.put_bytes(data)
    return _Sealed(digest, content, len(data), _shortened(record.command), record.inputs)


def _shortened(command: tuple[bytes, ...]) -> tuple[bytes, ...]:
    kept: list[bytes] = []
    left = COMMAND_SHOWN
    for word in command:
        if left <= 0:
            break
        kept.append(word[:left])
        left -= len(word)
    return tuple(kept)


@dataclass(frozen=True)
class _Draft:
    """A commit on its way to a branch."""

    library: Library
    writer: ContentWriter
    repo: str
    branch: str
    root: Root
    base: StoredCommit | None
    author: str
    message: str
    inputs: tuple[InputCommit, ...]
    sealed: _Sealed
    merged: StoredCommit | None

    def land(self) -> StoredCommit:
        """Write the commit and move the branch, again on each new head until it holds."""
        branches = Refs(self.library, self.repo).branches
        written: list[StoredCommit] = []
        where = f"{self.repo}@{self.branch}"
        for attempt in range(ATTEMPTS):
            found = branches.find(self.branch)
            head, version = (
                (read_linked(self.library, self.repo, found[0], by=where), found[1]) if found else (None, None)
            )
            landed = self._landed(head, written)
            if landed is not None:
                return landed
            stored = self._write(head)
            if head is not None and stored.id == head.id:
                return head
            written.append(stored)
            if self.library.signer is not None:
                sign(self.library, stored, self.library.signer)
            try:
                branches.move(self.branch, stored.id, expected=version)
            except Conflict:
                time.sleep(random.uniform(0, min(PAUSE_FIRST * 2**attempt, PAUSE_MOST)))
            else:
                return stored
        raise Conflict(f"{where}: was moved by other writers {ATTEMPTS} times in a row; try again")

    def _write(self, head: StoredCommit | None) -> StoredCommit:
        moved_on = head is not None and (self.base is None or head.id != self.base.id)
        root = self._replayed(head) if head is not None and moved_on else self.root
        if head is not None and moved_on and self._has_merged(head) and root.ref.digest == head.commit.root:
            return head
        commit = Commit(
            repo=self.repo,
            parents=self._parents(head),
            root=root.ref.digest,
            entries=root.entries,
            size=root.size,
            author=self.author,
            time_ns=time.time_ns(),
            message=self.message,
            inputs=self.inputs or self.sealed.inputs,
            command=self.sealed.command,
            record=self.sealed.digest,
        )
        locations = Locations(root.ref, self.sealed.content, self.sealed.size)
        return StoredCommit(write_commit(self.library, commit, locations), commit, locations)

    def _parents(self, head: StoredCommit | None) -> tuple[Digest, ...]:
        parent = head if head is not None else self.base
        # A tree made from a commit of another repo starts a history of its own here.
        first = (parent.id,) if parent is not None and parent.commit.repo == self.repo else ()
        second = self.merged
        return first if second is None or (head is not None and self._has_merged(head)) else (*first, second.id)

    def _has_merged(self, head: StoredCommit) -> bool:
        return self.merged is not None and comes_from(self.library, head, self.merged)

    def _replayed(self, head: StoredCommit) -> Root:
        """Our changes since the base, made to the tree of `head`; its pages are durable on return."""
        theirs = self.library.tree(head)
        before = self.library.tree(self.base) if self.base is not None else None
        ours = self.library.tree_at(self.root.ref)
        changes = merge_trees(before, ours, theirs, where=f"{self.repo}@{self.branch}")
        root = edit(theirs, self.writer, changes, mtime_ns=time.time_ns())
        self.writer.flush()
        return root

    def _landed(self, head: StoredCommit | None, written: list[StoredCommit]) -> StoredCommit | None:
        """One of our own commits on the branch: a move whose answer was lost may have been carried out."""
        ours = {stored.id: stored for stored in written}
        stop = {stored.commit.parents for stored in written}
        while head is not None and ours:
            if head.id in ours:
                return ours[head.id]
            if head.commit.parents in stop or not head.commit.parents:
                return None
            head = read_linked(self.library, self.repo, head.commit.parents[0], by=f"{self.repo}@{self.branch}")
        return None
