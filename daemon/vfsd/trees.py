"""Making the trees of a mount: where their pages come from, what they share."""

from __future__ import annotations

import os
from collections.abc import Callable

from vfs.content.prefetch.prefetcher import Prefetcher, Small
from vfs.content.reader import FileReader
from vfs.control.spec import View
from vfs.metrics.counters import Registry
from vfs.metrics.names import PREFETCHED
from vfs.model.ids import Digest
from vfs.repo.commits import read_commit
from vfs.repo.library import Library
from vfs.tree.tree import Tree, check_root
from vfsd.counted import CountedCache
from vfsd.entries import Entries
from vfsd.mounted import MountedTree
from vfsd.node import COMMITS, FOREVER, ROOT, Part
from vfsd.patience import Patience, PatientBlobs, PatientPages
from vfsd.space import Space

# From afar requests overlap their round trips; from the local disk there is only the processor to share.
REMOTE_THREADS = 16
LOCAL_THREADS = 2
# Small files take the interpreter, not the disk: two threads would only wait for each other. The first of a request
# can be read when the last is there, so a request is small, too.
LOCAL_SMALL = Small(request=2 << 20, at_once=1)


class Trees:
    """What all trees of one mount share: the library, the memory for blobs, pages and entries, the inode numbers."""

    def __init__(self, library: Library, patience: Patience, counters: Registry) -> None:
        self.library = library
        self._counters = counters
        cache = None if library.cache is None else CountedCache(library.cache, counters)
        self.patience = patience
        self.space = Space()
        self.entries = Entries()
        self.blobs = PatientBlobs(library.store, patience, counters, memory=library.settings.memory, cache=cache)
        self.pages = PatientPages(self.blobs, patience)
        self.files = FileReader(self.blobs)

    def prefetcher(self, failed: Callable[[str], None]) -> Prefetcher:
        """What reads ahead for this mount, within half of its memory; `failed` hears what could not be fetched."""
        local = self.library.cache is None
        return Prefetcher(
            self.files,
            self.blobs,
            threads=LOCAL_THREADS if local else REMOTE_THREADS,
            small=LOCAL_SMALL if local else None,
            budget=self.library.settings.memory // 2,
            failed=lambda error: failed(f"prefetch: {error}"),
            counter=self._counters.counter(PREFETCHED),
        )

    def root(self, view: View) -> MountedTree:
        """The region of a mount that shows one commit and nothing else."""
        return self._make(view, top=ROOT, above=None, seconds=FOREVER)

    def view(self, view: View, *, above: Part) -> Part:
        """A commit shown under the name of a view."""
        key, place = ("view", view.name), os.fsencode(view.name)
        return self.space.named(key, lambda inode: self._make(view, top=inode, above=above, place=place))

    def named(self, repo: str, commit: Digest, *, name: str, above: Part, seconds: float) -> Part:
        """A commit shown under a name that may come to mean another: each pair of name and commit is a region.

        Without a name, it is shown under its id.
        """
        view = View(name, repo, commit.hex())
        key = ("tree", repo, name, commit)
        parts = [repo.encode(), name.encode()] if name else [repo.encode(), COMMITS, commit.hex().encode()]
        return self.space.named(
            key, lambda inode: self._make(view, top=inode, above=above, place=b"/".join(parts), seconds=seconds)
        )

    def _make(
        self, view: View, *, top: int, above: Part | None, place: bytes = b"", seconds: float = FOREVER
    ) -> MountedTree:
        commit = bytes.fromhex(view.commit)
        return MountedTree(
            self.space,
            self.entries,
            top=top,
            repo=view.repo,
            commit=commit,
            above=None if above is None else above.glimpse,
            open_tree=self._opener(view.repo, commit),
            path=view.path,
            place=place,
            name_seconds=seconds,
        )

    def _opener(self, repo: str, commit: Digest) -> Callable[[], Tree]:
        def open_tree() -> Tree:
            if self.library.commits.get((repo, commit)) is None:
                self.patience.check()
            stored = read_commit(self.library, repo, commit)
            tree = Tree(self.blobs, stored.locations.root, pages=self.pages)
            check_root(tree)
            return tree

        return open_tree
