"""All metrics: name, kind, labels and help. Documented one by one in docs/METRICS.md.

Names follow Prometheus: base units, `_total` for counters. Label values come from small fixed sets,
never from paths or repos.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["counter", "gauge", "histogram"]


class Metric(msgspec.Struct, frozen=True):
    """One metric as shown; `labels` are the names of its labels, in the order their values are given."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


BUILD = Metric("vfs_build_info", "gauge", "Always 1; the version is in the label.", ("version",))
STARTED = Metric("vfs_start_time_seconds", "gauge", "When the daemon started, seconds since the epoch.")
UP = Metric("vfs_mount_up", "gauge", "1 while the mount serves requests.")

REQUESTS = Metric("vfs_requests_total", "counter", "Requests of the kernel answered.", ("operation",))
REQUEST_ERRORS = Metric(
    "vfs_request_errors_total", "counter", "Requests of the kernel answered with an error.", ("operation", "errno")
)
REQUEST_SECONDS = Metric("vfs_request_seconds", "histogram", "Time to answer a request of the kernel.", ("operation",))
READ_BYTES = Metric("vfs_read_bytes_total", "counter", "Bytes of file content given to the kernel.")

STORE_REQUESTS = Metric("vfs_store_requests_total", "counter", "Calls of the store that ended.", ("operation",))
STORE_ERRORS = Metric(
    "vfs_store_errors_total", "counter", "Calls of the store that failed, by wire code.", ("operation", "error")
)
STORE_SECONDS = Metric("vfs_store_seconds", "histogram", "Time of a store call, retries included.", ("operation",))
STORE_BYTES = Metric("vfs_store_bytes_total", "counter", "Bytes read from and written to the store.", ("direction",))

MEMORY_HITS = Metric("vfs_memory_hits_total", "counter", "Blobs found in memory.")
MEMORY_MISSES = Metric("vfs_memory_misses_total", "counter", "Blobs that had to be read from the store.")
PARTS = Metric("vfs_parts_total", "counter", "Parts of chunks read from local disk without the rest.")
CACHE_HITS = Metric("vfs_cache_hits_total", "counter", "Ranges of packs found in the cache on local disk.")
CACHE_MISSES = Metric("vfs_cache_misses_total", "counter", "Ranges of packs that the cache did not have whole.")
CACHE_DROPS = Metric("vfs_cache_drops_total", "counter", "Cached ranges dropped because they were damaged.")
PREFETCHED = Metric("vfs_prefetched_bytes_total", "counter", "Bytes of content brought into memory ahead of readers.")
PUSHED = Metric("vfs_pushed_bytes_total", "counter", "Bytes of content put into the page cache ahead of readers.")
REFETCHED = Metric("vfs_refetched_total", "counter", "Ranges that came damaged and were asked for again.")
CORRUPT = Metric("vfs_corrupt_total", "counter", "Blobs refused because they did not match their digest.")

OBSERVED = Metric(
    "vfs_journal_observations_total",
    "counter",
    "Opens of files and directories, and names looked up in vain, seen by the journal.",
)
GAPS = Metric("vfs_journal_gaps_total", "counter", "Observations the journal is known to have lost.")

METRICS: tuple[Metric, ...] = (
    BUILD, STARTED, UP,
    REQUESTS, REQUEST_ERRORS, REQUEST_SECONDS, READ_BYTES,
    STORE_REQUESTS, STORE_ERRORS, STORE_SECONDS, STORE_BYTES,
    MEMORY_HITS, MEMORY_MISSES, PARTS, CACHE_HITS, CACHE_MISSES, CACHE_DROPS, PREFETCHED, PUSHED, REFETCHED, CORRUPT,
    OBSERVED, GAPS,
)  # fmt: skip
