"""The composition of one open store: what reads it, what writes it, and the caches they share."""

from __future__ import annotations

import logging
from threading import Lock
from types import TracebackType
from typing import Self

from vfs.config.settings import Settings
from vfs.content.blobs import Blobs
from vfs.content.cache.disk import DiskCache
from vfs.content.cache.opening import open_cache
from vfs.content.known import KnownChunks
from vfs.content.reader import FileReader
from vfs.content.writer import ContentWriter
from vfs.files.lock import FileLock
from vfs.files.private import private_dir
from vfs.model.commit import StoredCommit
from vfs.model.entry import BlobRef
from vfs.model.ids import Digest
from vfs.repo.bounded import BoundedCache
from vfs.repo.keyring import Ask, Keyring, refuse_to_ask, signer_of
from vfs.repo.signing import Signer
from vfs.store.marked import marker_of
from vfs.store.open import create_store, open_soon
from vfs.store.protocol import Store
from vfs.tree.pages import Pages
from vfs.tree.tree import Tree

# Trees are small, their pages are kept by the one `Pages`; a walk over a history looks at two at a time.
TREES_KEPT = 16
_log = logging.getLogger(__name__)
COMMITS_KEPT = 4096


class Library:
    """One store with its readers, and writers on request. Built once, passed to everything above.

    Safe to use from several threads; `close` ends it. Trees and commits never change, so what is
    cached here is never stale; refs are not cached.
    """

    def __init__(self, store: Store, settings: Settings, *, cache: DiskCache | None = None) -> None:
        self.store = store
        self.settings = settings
        self.cache = cache
        self.blobs = Blobs(store, memory=settings.memory, cache=cache)
        self.files = FileReader(self.blobs)
        self.commits: BoundedCache[tuple[str, Digest], StoredCommit] = BoundedCache(COMMITS_KEPT)
        self._pages = Pages(self.blobs)
        self._trees: BoundedCache[Digest, Tree] = BoundedCache(TREES_KEPT)
        self._known: KnownChunks | None = None
        self._signer: Signer | None = None
        # Where the passphrase of the signing key comes from; set by whoever has a terminal.
        self.ask: Ask = refuse_to_ask
        self._lock = Lock()

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The store that `settings.store` names; StoreMissing, StoreFormat, other StoreErrors: now or at first use."""
        return cls(open_soon(settings.store, settings), settings, cache=open_cache(settings, warn=_log.warning))

    @classmethod
    def create(cls, settings: Settings, *, unsafe: bool = False) -> Self:
        """As `open`, making the store first, `unsafe` if need be; an existing store is opened as it is."""
        store = create_store(settings.store, settings, unsafe=unsafe)
        return cls(store, settings, cache=open_cache(settings, warn=_log.warning))

    def tree(self, stored: StoredCommit) -> Tree:
        """The tree of a commit."""
        return self.tree_at(stored.locations.root)

    def tree_at(self, root: BlobRef) -> Tree:
        """The tree below a root page that is durable in the store, committed or not."""
        return self._trees.get(root.digest) or self._trees.put(root.digest, Tree(self.blobs, root, pages=self._pages))

    @property
    def known(self) -> KnownChunks:
        """The local index of what the store already holds; made when first asked for."""
        with self._lock:
            if self._known is None:
                self._known = self._open_known()
            return self._known

    @property
    def signer(self) -> Signer | None:
        """What signs every new commit; None where they are not to be signed. Unlocked when first asked for.

        NotFound, Refused and the like when the setting `sign` names no key that can be used.
        """
        with self._lock:
            if self._signer is None and self.settings.sign:
                self._signer = signer_of(Keyring(self.settings.state_dir), self.settings.sign, self.ask)
            return self._signer

    def writer(self) -> ContentWriter:
        """A new writer of content, deduplicating against the packs the store has."""
        return ContentWriter(self.store, self.known, jobs=self.settings.jobs)

    def close(self) -> None:
        """Release files and connections; a second call does nothing."""
        with self._lock:
            known, self._known = self._known, None
        if known is not None:
            known.close()
        if self.cache is not None:
            self.cache.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open_known(self) -> KnownChunks:
        directory = private_dir(private_dir(self.settings.cache_dir) / "known")
        path = directory / f"{marker_of(self.store).id}.db"
        known = KnownChunks(path, self.store)
        # Of processes that make one database at the same moment SQLite tells some at once that it is locked,
        # whatever time they would wait; so the first use is one at a time.
        with FileLock(path.with_suffix(".lock")):
            known.find(b"")
        return known
