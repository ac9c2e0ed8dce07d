"""Decoded pages: from the bytes a page source gives to `Leaf` and `Index`, kept up to a byte limit."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Protocol

import msgspec

from vfs.errors import Corrupt
from vfs.model.entry import BlobRef
from vfs.model.wire import decode
from vfs.tree.index import Child, Index, IndexColumns
from vfs.tree.layout import LeafColumns
from vfs.tree.leaf import Leaf

# About 400 leaves of common size: the listing of a million files keeps coming back to few pages.
CACHE_BYTES = 48 << 20
_decoder: msgspec.msgpack.Decoder[LeafColumns | IndexColumns] = msgspec.msgpack.Decoder(LeafColumns | IndexColumns)


class Page(Protocol):
    """The two sections of a page."""

    @property
    def logical(self) -> bytes:
        """What the digest of the page covers."""

    @property
    def location(self) -> bytes:
        """Where the blobs it names lie."""


class PageSource(Protocol):
    """Where verified pages come from."""

    def get_page(self, ref: BlobRef) -> Page:
        """The page that `ref` names, its digest verified."""


class PageSink(Protocol):
    """Where new pages go."""

    def put_page(self, logical: bytes, location: bytes) -> BlobRef:
        """Store a page; the ref names it by the digest of `logical`."""


def decode_page(page: Page, *, what: str) -> Leaf | Index:
    """A `Leaf` or an `Index`; Corrupt naming `what` when the sections are neither."""
    columns = decode(_decoder, page.logical, what=what)
    if isinstance(columns, LeafColumns):
        return Leaf(columns, page.location, what=what)
    return Index(columns, page.location, what=what)


class Pages:
    """Decoded pages by digest, least recently used out first. Guarded by one lock, held for look-ups only."""

    def __init__(self, source: PageSource, *, limit: int = CACHE_BYTES) -> None:
        self._source = source
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, Leaf | Index] = OrderedDict()
        self._bytes = 0

    def peek(self, ref: BlobRef) -> Leaf | Index | None:
        """The page if it is decoded already; never waits."""
        with self._lock:
            page = self._kept.get(ref.digest)
            if page is not None:
                self._kept.move_to_end(ref.digest)
            return page

    def get(self, ref: BlobRef) -> Leaf | Index:
        """The decoded page that `ref` names."""
        page = self.peek(ref)
        if page is None:
            page = decode_page(self._source.get_page(ref), what=f"tree page {ref.digest.hex()}")
            self._keep(ref.digest, page)
        return page

    def leaf(self, child: Child) -> Leaf:
        """The leaf that `child` describes; Corrupt when it is not what its parent says."""
        page = self.get(child.ref)
        if not isinstance(page, Leaf) or page.count != child.entries or page.last != child.last:
            raise Corrupt(f"tree page {child.ref.digest.hex()}: not the leaf its parent describes")
        return page

    def index(self, child: Child) -> Index:
        """The index page that `child` describes; Corrupt when it is not what its parent says."""
        page = self.get(child.ref)
        described = (child.level, child.entries, child.last)
        if not isinstance(page, Index) or (page.level, page.entries, page.last[-1]) != described:
            raise Corrupt(f"tree page {child.ref.digest.hex()}: not the index page its parent describes")
        return page

    def _keep(self, digest: bytes, page: Leaf | Index) -> None:
        with self._lock:
            if digest in self._kept:
                return
            self._kept[digest] = page
            self._bytes += page.weight
            while self._bytes > self._limit and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].weight
