"""Made-up directories: the views of a run, and the repos, branches, tags and commits of `--all`.

Layout of `--all`: `<repo>/<branch or tag>/…` and `<repo>/@commits/<64 hex>/…`. A name that is a branch and a
tag shows the branch, as `repo@name` means it; the tag's commit is found under `@commits`. No branch or tag
can be called `@commits`: names of refs do not begin with `@`.
"""

from __future__ import annotations

import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from vfs.control.spec import OUTPUT_NAME, View
from vfs.errors import InvalidName, NotFound
from vfs.model.ids import Digest
from vfs.model.names import check_label
from vfs.repo.commits import commit_ids, read_commit
from vfs.repo.refs import Refs
from vfs.repo.repos import has_repo, repo_names
from vfsd.node import COMMITS, FIRST_COOKIE, FOREVER, NAME_SECONDS, Absent, Listed, Node, Part, folder
from vfsd.trees import Trees

_COMMIT = re.compile(rb"[0-9a-f]{64}")


class Folder(ABC):
    """A directory that no commit holds. Its own name, and what is said about names in it, hold for `seconds`.

    `child` and `children` may wait for the store, unless `in_memory`.
    """

    seconds = NAME_SECONDS
    in_memory = False

    def __init__(self, trees: Trees, *, top: int, above: Part | None) -> None:
        self._trees = trees
        self._top = top
        self._above = above
        self._entry = folder(time.time_ns())

    @property
    def top(self) -> int:
        """Its inode."""
        return self._top

    def node(self, inode: int) -> Node:
        """The directory itself."""
        return Node(inode, self._entry, self.seconds)

    def glimpse(self) -> Node:
        """The directory itself."""
        return self.node(self._top)

    def lookup(self, inode: int, name: bytes) -> Node | Absent:
        """The child `name`."""
        self._may_wait()
        part = self.child(name)
        return Absent(self.seconds) if part is None else part.node(part.top)

    def above(self, inode: int) -> Node:
        """The directory above it."""
        return self.glimpse() if self._above is None else self._above.glimpse()

    def listing(self, inode: int, cookie: int) -> Sequence[Listed]:
        """All children from `cookie` on: the store is asked for all of them anyway."""
        self._may_wait()
        lines = enumerate(sorted(self.children()), FIRST_COOKIE)
        return [Listed(name, part.glimpse(), place + 1) for place, (name, part) in lines if place >= cookie]

    def _may_wait(self) -> None:
        if not self.in_memory:
            self._trees.patience.check()

    @abstractmethod
    def child(self, name: bytes) -> Part | None:
        """What `name` is here, None when it is nothing."""

    @abstractmethod
    def children(self) -> Iterable[tuple[bytes, Part]]:
        """The names in it and what they are; no two names are equal."""


class Library(Folder):
    """All repos of the store."""

    def child(self, name: bytes) -> Part | None:
        """The repo `name`."""
        label = _label("repo", name)
        return self._repo(label) if label is not None and has_repo(self._trees.library, label) else None

    def children(self) -> Iterable[tuple[bytes, Part]]:
        """The repos."""
        return [(name.encode(), self._repo(name)) for name in repo_names(self._trees.library)]

    def _repo(self, name: str) -> Part:
        return self._trees.space.named(
            ("repo", name), lambda inode: Repo(self._trees, top=inode, above=self, repo=name)
        )


class Repo(Folder):
    """The branches and tags of one repo, and `@commits`."""

    def __init__(self, trees: Trees, *, top: int, above: Part, repo: str) -> None:
        super().__init__(trees, top=top, above=above)
        self._repo = repo
        self._refs = Refs(trees.library, repo)

    def child(self, name: bytes) -> Part | None:
        """The branch or else the tag `name`."""
        if name == COMMITS:
            return self._commits()
        label = _label("branch", name)
        if label is None:
            return None
        found = self._refs.branches.find(label) or self._refs.tags.find(label)
        return None if found is None else self._tree(label, found[0])

    def children(self) -> Iterable[tuple[bytes, Part]]:
        """Tags, hidden by branches of the same name, and `@commits`."""
        named = {ref.name: ref.commit for refs in (self._refs.tags, self._refs.branches) for ref in refs.list()}
        trees = [(name.encode(), self._tree(name, commit)) for name, commit in named.items()]
        return [*trees, (COMMITS, self._commits())]

    def _tree(self, name: str, commit: Digest) -> Part:
        return self._trees.named(self._repo, commit, name=name, above=self, seconds=NAME_SECONDS)

    def _commits(self) -> Part:
        return self._trees.space.named(
            ("commits", self._repo), lambda inode: Commits(self._trees, top=inode, above=self, repo=self._repo)
        )


class Commits(Folder):
    """All commits of one repo, by their 64 hex digits."""

    def __init__(self, trees: Trees, *, top: int, above: Part, repo: str) -> None:
        super().__init__(trees, top=top, above=above)
        self._repo = repo

    def child(self, name: bytes) -> Part | None:
        """The commit `name`."""
        if not _COMMIT.fullmatch(name):
            return None
        try:
            return self._tree(read_commit(self._trees.library, self._repo, bytes.fromhex(name.decode())).id)
        except NotFound:
            return None

    def children(self) -> Iterable[tuple[bytes, Part]]:
        """The commits."""
        return [(id.hex().encode(), self._tree(id)) for id in commit_ids(self._trees.library, self._repo)]

    def _tree(self, commit: Digest) -> Part:
        return self._trees.named(self._repo, commit, name="", above=self, seconds=FOREVER)


class Views(Folder):
    """The inputs of a run by name, and an empty directory for its output."""

    seconds = FOREVER
    in_memory = True

    def __init__(self, trees: Trees, *, top: int, views: Iterable[View]) -> None:
        super().__init__(trees, top=top, above=None)
        self._parts: dict[bytes, Part] = {os.fsencode(view.name): trees.view(view, above=self) for view in views}
        out = trees.space.named(("out",), lambda inode: Empty(trees, top=inode, above=self))
        self._parts[OUTPUT_NAME.encode()] = out

    def child(self, name: bytes) -> Part | None:
        """The view `name`."""
        return self._parts.get(name)

    def children(self) -> Iterable[tuple[bytes, Part]]:
        """The views."""
        return self._parts.items()


class Empty(Folder):
    """A directory with nothing in it, to mount something on."""

    seconds = FOREVER
    in_memory = True

    def child(self, name: bytes) -> Part | None:
        """Nothing."""
        return None

    def children(self) -> Iterable[tuple[bytes, Part]]:
        """Nothing."""
        return ()


def _label(kind: str, name: bytes) -> str | None:
    """`name` as that of a repo or ref; None for what cannot be one, so that no store is asked."""
    try:
        return check_label(kind, name.decode("ascii"))
    except (InvalidName, UnicodeDecodeError):
        return None
