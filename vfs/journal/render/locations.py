"""Many files as few locations: the deepest directories that hold them all."""

from __future__ import annotations

from collections.abc import Collection

# Locations of one data set in an event: what a service still shows, and some 100 kB of JSON.
LOCATIONS = 1000


def locations(paths: Collection[bytes], *, limit: int = LOCATIONS) -> list[bytes]:
    """The paths themselves where they are at most `limit`, else directories (with a slash at the end) that hold them.

    Directories are taken as deep as the limit allows. [] means everywhere: over `limit` names at the top.
    """
    if len(paths) <= limit:
        return sorted(paths)
    kept: set[bytes] = set()
    for depth in range(1, max(path.count(b"/") for path in paths) + 1):
        cut = _cut(paths, depth, limit)
        if cut is None:
            break
        kept = cut
    return sorted(kept)


def _cut(paths: Collection[bytes], depth: int, limit: int) -> set[bytes] | None:
    """All paths cut to `depth` directories; None when those are over `limit`."""
    found: set[bytes] = set()
    for path in paths:
        parts = path.split(b"/", depth)
        found.add(path if len(parts) <= depth else b"/".join(parts[:depth]) + b"/")
        if len(found) > limit:
            return None
    return found
