"""Which commit of a repo last changed a path: the run to ask about is that commit's.

A path was changed by a commit when what a user sees there (kind, mode, mtime, content) differs from the first
parent, as in `vfs log REV:PATH`. A file that was never touched again is carried along by every later commit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import TypeAlias

from vfs.errors import Corrupt, NotFound, ObjectMissing
from vfs.model.commit import StoredCommit
from vfs.model.entry import Entry, Kind
from vfs.model.ids import Digest
from vfs.repo.commits import commit_ids, read_commit
from vfs.repo.library import Library
from vfs.tree.diff import Difference, diff
from vfs.tree.tree import Tree

# Up to so many paths are looked up one by one; for more, all differences of the commit are listed.
_FEW = 256
# Looking up one path costs about as much as walking over so many entries.
_WALK = 10
# The commit before, and all that was changed; None for too much.
_Step: TypeAlias = tuple[StoredCommit | None, frozenset[bytes] | None]
# Changes of one commit that are listed to be remembered, and paths remembered in all (some 100 bytes each).
_MANY = 2_000
_REMEMBERED = 1_000_000


def files_below(tree: Tree, path: bytes) -> set[bytes]:
    """The paths at and below `path` that are no directories; `path` itself when there are none."""
    return {entry.path for entry in tree.walk(path) if entry.kind is not Kind.DIR} or {path}


def ever_below(library: Library, repo: str, path: bytes, *, note: Callable[[str], None]) -> set[bytes]:
    """The paths at and below `path` that were a file in some commit of the repo. Looks at all of its commits.

    `note` is told what could not be read.
    """
    found: set[bytes] = set()
    for id in commit_ids(library, repo):
        try:
            found.update(_made_below(library, read_commit(library, repo, id), path))
        except (NotFound, ObjectMissing, Corrupt) as error:
            note(str(error))
    return found


def _made_below(library: Library, stored: StoredCommit, path: bytes) -> Iterator[bytes]:
    parent, tree = first_parent(library, stored), library.tree(stored)
    if parent is None:
        made: Iterator[Entry | None] = iter(tree.walk(path))
    else:
        made = (change.new for change in diff(library.tree(parent), tree, prefix=path))
    return (entry.path for entry in made if entry is not None and entry.kind is not Kind.DIR)


class Origins:
    """Looks for origins, and remembers what each commit changed: many ask about the same history."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._steps: dict[tuple[str, Digest], _Step] = {}
        self._held = 0

    def of(self, stored: StoredCommit, paths: Collection[bytes]) -> Iterator[tuple[StoredCommit, set[bytes]]]:
        """For each commit that last changed some of `paths` as they are in `stored`: the commit and those paths.

        The newest first. Paths that `stored` does not have are left out.
        """
        repo = stored.commit.repo
        left = _present(self._library.tree(stored), paths) if paths else set()
        while left:
            parent, changed = self._steps.get((repo, stored.id)) or self._step(stored)
            if parent is None:
                yield stored, left
                return
            found = left & changed if changed is not None else self._among(parent, stored, left)
            if found:
                yield stored, found
                left -= found
            stored = parent

    def _among(self, parent: StoredCommit, stored: StoredCommit, paths: set[bytes]) -> set[bytes]:
        old_tree, tree = self._library.tree(parent), self._library.tree(stored)
        if len(paths) > _FEW:
            return {change.path for change in diff(old_tree, tree)} & paths
        return {path for path in paths if _differs(old_tree, tree, path)}

    def _step(self, stored: StoredCommit) -> _Step:
        parent = first_parent(self._library, stored)
        changed = self._changed(parent, stored) if parent is not None else frozenset()
        if self._held > _REMEMBERED:
            self._steps.clear()
            self._held = 0
        self._held += 1 + len(changed or ())
        self._steps[stored.commit.repo, stored.id] = parent, changed
        return parent, changed

    def _changed(self, parent: StoredCommit, stored: StoredCommit) -> frozenset[bytes] | None:
        """All that a commit changed; None when that is too much to remember."""
        if parent.commit.root == stored.commit.root:
            return frozenset()
        found = diff(self._library.tree(parent), self._library.tree(stored))
        paths = frozenset(change.path for change in islice(found, _MANY))
        return paths if len(paths) < _MANY else None


def origins(
    library: Library, stored: StoredCommit, paths: Collection[bytes]
) -> Iterator[tuple[StoredCommit, set[bytes]]]:
    """As `Origins.of`, for a single question."""
    return Origins(library).of(stored, paths)


def first_parent(library: Library, stored: StoredCommit) -> StoredCommit | None:
    """The commit that `stored` was made on top of, None for the first of its repo."""
    parents = stored.commit.parents
    return read_commit(library, stored.commit.repo, parents[0]) if parents else None


def changes(library: Library, stored: StoredCommit) -> Iterator[Difference]:
    """What a commit changed against its first parent; everything for the first of a repo."""
    parent = first_parent(library, stored)
    tree = library.tree(stored)
    if parent is not None:
        return diff(library.tree(parent), tree)
    return (Difference(entry.path, None, entry) for entry in tree.walk())


def still_there(library: Library, origin: StoredCommit, later: StoredCommit) -> Iterator[bytes]:
    """The files that `origin` made or changed and that are the same in `later`."""
    tree = library.tree(later)
    for change in changes(library, origin):
        if change.new is not None and change.new.kind is not Kind.DIR:
            found = tree.find(change.path)
            if found is not None and found.same_as(change.new):
                yield change.path


def _present(tree: Tree, paths: Collection[bytes]) -> set[bytes]:
    if len(paths) * _WALK < tree.entries:
        return {path for path in paths if tree.find(path) is not None}
    wanted = set(paths)
    return {entry.path for entry in tree.walk() if entry.path in wanted}


def _differs(old_tree: Tree, tree: Tree, path: bytes) -> bool:
    old, new = old_tree.find(path), tree.find(path)
    if old is None or new is None:
        return old is not new
    return not old.same_as(new)
