"""`vfs prefetch`: what a program will read, fetched before it starts.

Whatever is in the local cache already is passed over, so an interrupted run goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from vfs.concurrency.pool import ordered_map
from vfs.content.prefetch.prefetcher import requests
from vfs.model.entry import BlobRef, Kind
from vfs.repo.library import Library
from vfs.repo.progress import NoProgress, Progress
from vfs.repo.resolve import Resolved

# Requests of 8 MiB under way at once.
WORKERS = 8


class Fetched(msgspec.Struct, frozen=True):
    """What lies in the local cache now: files, and bytes of their content (raw, each chunk once)."""

    files: int
    size: int


def prefetch(library: Library, resolved: Resolved, *, progress: Progress | None = None) -> Fetched:
    """Fetch all pages and chunks at and below the path of a revision; Corrupt, StoreError."""
    tree, shown = library.tree(resolved.stored), progress or NoProgress()
    shown.start(tree.totals(resolved.path).size)
    files = 0

    def chunks() -> Iterator[BlobRef]:
        nonlocal files
        for entry in tree.walk(resolved.path):
            if entry.kind is Kind.FILE:
                files += 1
                yield from library.files.refs(entry, 0, entry.size)

    size = 0
    for done in ordered_map(lambda group: _load(library, group), requests(chunks()), workers=WORKERS, ahead=WORKERS):
        size += done
        shown.advance(done, 0)
    if library.cache is not None:
        library.cache.flush()
    return Fetched(files, size)


def _load(library: Library, group: list[BlobRef]) -> int:
    library.blobs.load(group)
    return sum(ref.length for ref in group)
