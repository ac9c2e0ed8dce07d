"""Which cache a process uses: where it lies, how large it may grow, and whether the store needs one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from vfs.config.settings import GIB, Settings
from vfs.config.sizes import parse_size
from vfs.content.cache.disk import DiskCache
from vfs.content.cache.eviction import existing
from vfs.errors import ConfigError, LocalIOError
from vfs.files.atomic import write_atomic
from vfs.files.private import private_dir

LIMIT_MAX = 20 * GIB
# The automatic limit is at most this part of the disk.
DISK_SHARE = 10
_LIMIT = "limit"


def cache_root(settings: Settings) -> Path:
    """The directory of the cache, below that of all that can be fetched again."""
    return Path(settings.cache_dir) / "content"


def open_cache(settings: Settings, *, warn: Callable[[str], None]) -> DiskCache | None:
    """The cache for the store of `settings`; None for a store on local disk and, after `warn`, where it cannot be."""
    if not settings.store.startswith("s3://"):
        return None
    try:
        private_dir(settings.cache_dir)
        root = private_dir(cache_root(settings))
        return DiskCache(root, limit=cache_limit(settings), floor=settings.cache_floor, warn=warn)
    except LocalIOError as error:
        warn(f"no cache: {error}")
        return None


def cache_limit(settings: Settings) -> int:
    """Bytes the cache may take: as configured, else as kept by `keep_limit`, else by the size of the disk."""
    return settings.cache_limit or _kept_limit(settings) or _automatic_limit(settings)


def keep_limit(settings: Settings, limit: int) -> None:
    """Set the limit for all processes of this user that configure none; 0 goes back to the automatic one."""
    private_dir(settings.cache_dir)
    write_atomic(private_dir(cache_root(settings)) / _LIMIT, b"%d\n" % limit)


def _kept_limit(settings: Settings) -> int:
    try:
        return parse_size((cache_root(settings) / _LIMIT).read_text("ascii", "replace").strip())
    except (OSError, ConfigError):
        return 0


def _automatic_limit(settings: Settings) -> int:
    try:
        disk = os.statvfs(existing(Path(settings.cache_dir)))
    except OSError:
        return LIMIT_MAX
    return min(LIMIT_MAX, disk.f_blocks * disk.f_frsize // DISK_SHARE)
