"""Means of speed that depend on the machine: which are on, for `status`."""

from __future__ import annotations

import msgspec

from vfs.files.translate import cause_of
from vfsd.shim import SHIM

# A sequential read runs at 1.0 GB/s with the kernel's 128 KiB of readahead, at 1.9 GB/s with this.
READAHEAD_KB = 1024


def raise_readahead(device: str) -> str:
    """Let the kernel read 1 MiB ahead in the mount with this `major:minor`; what came of it, for `status`."""
    path = f"/sys/class/bdi/{device}/read_ahead_kb"
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(str(READAHEAD_KB))
    except OSError as error:
        return f"{_current(path)} KiB: cannot be raised: {cause_of(error)}"
    return f"{READAHEAD_KB} KiB"


def _current(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read(16).strip()
    except OSError:
        return "unknown"


class Means(msgspec.Struct):
    """What came of the means that depend on the mount, each `on` or `off: why`. Settled while it comes up.

    `reports`: opens are reported by the kernel; `opens`, `listings`: the kernel opens by itself. `prefetch` changes
    with what is followed; `pushed` is why content is no longer pushed into the page cache, empty while it is.
    """

    readahead: str = "unknown"
    eager: str = "off: not begun"
    reports: str = "off: not begun"
    opens: str = "off: not begun"
    listings: str = "off: not begun"
    prefetch: str = "on"
    pushed: str = ""


def levers(means: Means) -> dict[str, str]:
    """All levers by name. What is always on is named, too: it is what a slow mount is first suspected of."""
    return {
        "readahead": means.readahead,
        "interrupted programs let go at once": "on" if not SHIM.missing else f"off: shim {SHIM.missing}",
        "next request looked for without sleep": means.eager,
        "page cache kept over opens": "on",
        "names and attributes cached for ever": "on",
        "listing with attributes": "on",
        "open answered by the kernel": means.opens,
        "opens reported by the kernel": means.reports,
        "listings kept by the kernel": means.listings,
        "content pushed into the page cache": f"off: {means.pushed}" if means.pushed else "on",
        "prefetch": means.prefetch,
    }
