"""A layer together with the trees that say what is in it: the commit below, the one last made, and who follows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from blake3 import blake3

from vfs.errors import Refused, RevisionNotFound
from vfs.files.translate import local_error
from vfs.model.commit import StoredCommit
from vfs.model.entry import Entry
from vfs.repo.commits import read_commit
from vfs.repo.library import Library
from vfs.repo.notes import Notes
from vfs.store.marked import marker_of
from vfs.tree.tree import Tree
from vfs.workspace.compare import Comparison, LayerChange, SameContent, What, without_descriptors
from vfs.workspace.ignore import Ignores
from vfs.workspace.index import DigestIndex
from vfs.workspace.layer import Layer
from vfs.workspace.linked import Company
from vfs.workspace.marks import Flavour
from vfs.workspace.node import Node
from vfs.workspace.scan import Scan

_READ = 1 << 20
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class OpenedLayer:
    """A layer, the commit `last` made from it (at first the one below), and the trees of both.

    `tree` is what the mount showed when `last` was made. It is not the tree of `last` when other writers'
    changes were merged into that. Only files of equal size need their content compared; `index` knows the
    digests of those that a commit read and nobody changed since.
    """

    def __init__(self, library: Library, layer: Layer) -> None:
        """Refused when the layer lies on another store; Corrupt when its commit is gone from this one."""
        self.library = library
        self.layer = layer
        self.store = marker_of(library.store).id
        if layer.base.store != self.store:
            raise Refused(
                f"layer of {layer.base.mountpoint}: lies on the store {layer.base.store}, "
                f"not on {library.settings.store} ({self.store})"
            )
        self.base = self._commit(layer.base.repo, layer.base.id)
        self.lower = library.tree(self.base)
        self.tip = layer.tip()
        self.last = self.base if self.tip is None else self._commit(self.tip.repo, self.tip.id)
        self.tree = self._tree()
        self.index = DigestIndex.load(layer.index)

    @property
    def repo(self) -> str:
        """The repo that the layer's commits go to."""
        return self.tip.repo if self.tip is not None else self.layer.base.repo

    @property
    def branch(self) -> str:
        """The branch that the layer's commits go to; "" when the mounted revision named none."""
        return self.tip.branch if self.tip is not None else self.layer.base.branch

    def scan(self) -> Scan:
        """A scan of the upper directory."""
        flavour = self.layer.flavour() or Flavour.KERNEL
        return Scan(self.layer.upper, flavour, self.lower, shown=os.fsencode(self.layer.base.mountpoint))

    def ignores(self) -> Ignores:
        """What the `.vfsignore` files that the mount shows by now keep out."""
        shown = os.fsencode(self.layer.base.mountpoint)
        return Ignores(self.scan(), lambda entry: self.library.files.read(entry, 0, entry.size), shown=shown)

    def comparison(
        self,
        *,
        same_content: SameContent | None = None,
        notes: Notes | None = None,
        taken: Callable[[bytes], bool] | None = None,
    ) -> Comparison:
        """The mount against `tree`; without `same_content` files are read where it takes that to be exact."""
        return Comparison(
            self.scan(),
            self.tree,
            same_content or self.same_content,
            notes=Notes() if notes is None else notes,
            taken=taken or (lambda _: False),
        )

    def changes(self) -> Iterator[LayerChange]:
        """What changed since the last commit, without the directories of which only the mtime did."""
        company = Company(self.lower)
        comparison = self.comparison()
        for change in comparison.changes():
            company.note(change)
            if change.what not in (What.TIME, What.LINKS):
                yield without_descriptors(change)
        yield from company.changes(comparison.tells_of)

    def is_clean(self) -> bool:
        """True when the mount shows nothing that is not committed."""
        if self.layer.is_untouched() and self.tip is None:
            return True
        return next(self.changes(), None) is None

    def same_content(self, node: Node, old: Entry) -> bool:
        """True when the file in the upper layer has the content of `old`, which has the same size."""
        return self.digest(node) == old.digest

    def digest(self, node: Node) -> bytes:
        """The digest of a file that the mount shows, read where it is not known; b"" for one that is gone."""
        if node.source is not None:
            return node.source.digest
        assert node.status is not None
        known = self.index.find(node.status)
        return _digest(node) if known is None else known

    def _commit(self, repo: str, id: bytes) -> StoredCommit:
        try:
            return read_commit(self.library, repo, id)
        except RevisionNotFound as error:
            raise Refused(
                f"layer of {self.layer.base.mountpoint}: its commit {id.hex()} is not in the store any more; {error}"
            ) from error

    def _tree(self) -> Tree:
        if self.tip is not None and self.tip.root is not None:
            return self.library.tree_at(self.tip.root)
        return self.library.tree(self.last)


def _digest(node: Node) -> bytes:
    """The digest of a file in the upper layer; b"" when it is not there any more."""
    assert node.found is not None
    hasher = blake3()
    try:
        fd = os.open(node.found.name, _OPEN, dir_fd=node.found.parent.fd)
        try:
            while piece := os.read(fd, _READ):
                hasher.update(piece)
        finally:
            os.close(fd)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise local_error(node.found.shown, "read", error) from error
    return hasher.digest()
