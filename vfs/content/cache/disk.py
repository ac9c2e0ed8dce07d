"""The cache as the fetcher sees it: get, put, drop; it never fails, at worst it does not help."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import msgspec

from vfs.content.cache.behind import Behind, Piece
from vfs.content.cache.eviction import evict, existing, free_bytes, mirrors, remove
from vfs.content.cache.mirror import Mirror
from vfs.errors import LocalIOError
from vfs.files.private import private_dir

PACKS = "packs"
# Descriptors: two a mirror.
OPEN_MIRRORS = 128
# Sizes are looked at again after this many new bytes: a scan of 300 mirrors takes 2 ms.
CHECK_EVERY = 64 << 20
# After a failed write, leave the disk alone for this long.
PAUSE_SECONDS = 10.0
# What the disk has not taken by then when the cache is closed is fetched again another time.
CLOSE_SECONDS = 10.0
# A mirror's time of use is noted at most this often.
TOUCH_SECONDS = 30.0


class CacheStatus(msgspec.Struct, frozen=True):
    """What the cache holds: mirrors, bytes on disk, the limit and the free-space floor in bytes, bytes free."""

    directory: str
    mirrors: int
    bytes: int
    limit: int
    floor: int
    free: int


class DiskCache:
    """Pieces of packs below `root`, whichever store they are from: the ids of packs are random 128-bit numbers.

    `warn` gets one line when the disk does not take what is written; reads go on from the store.
    Thread-safe; several processes may use one root. What was put is written by a thread of its own: others see it after
    `flush`, this object at once.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        limit: int,
        floor: int,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root = private_dir(root)
        self._directory = self.root / PACKS
        self._limit, self._floor = limit, floor
        self._warn, self._clock = warn, clock
        self._behind = Behind(self._write)
        self._lock = threading.Lock()
        self._open: OrderedDict[bytes, Mirror] = OrderedDict()
        self._touched: dict[bytes, float] = {}
        self._unchecked = CHECK_EVERY  # another process may have filled the cache
        self._paused_until = float("-inf")

    def get(self, pack: bytes, offset: int, length: int) -> memoryview | None:
        """`length` bytes at `offset` of a pack; None when they are not all there and sound."""
        waiting = self._behind.get(pack, offset, offset + length)
        if waiting is not None:
            return waiting
        mirror = self._mirror(pack)
        try:
            data = mirror.read(offset, offset + length)
            if data is not None:
                self._note_use(pack, mirror)
        except OSError as error:
            self._trouble("read", error)
            return None
        return data

    def put(self, pack: bytes, offset: int, data: bytes | memoryview) -> None:
        """Keep `data`, if the disk lets us. Waits for the disk only when it does not keep up."""
        if self._clock() < self._paused_until:
            return
        piece = Piece(pack, offset, data)
        if not self._behind.put(piece):
            self._write(piece)

    def drop(self, pack: bytes, offset: int, length: int) -> None:
        """Forget a range that turned out not to hold what the store has."""
        self._behind.drop(pack, offset, offset + length)
        try:
            self._mirror(pack).drop(offset, offset + length)
        except OSError as error:
            self._trouble("written", error)

    def flush(self) -> None:
        """Return when all that was put is written, or could not be."""
        self._behind.flush()

    def close(self) -> None:
        """Write what waits, for some seconds at most, and release all descriptors."""
        self._behind.flush(CLOSE_SECONDS)
        with self._lock:
            kept, self._open = list(self._open.values()), OrderedDict()
        for mirror in kept:
            mirror.close()

    def _write(self, piece: Piece) -> None:
        if self._clock() < self._paused_until:
            return
        try:
            if self._has_room(len(piece.data)):
                self._account(self._mirror(piece.pack).write(piece.offset, piece.data))
        except OSError as error:
            self._trouble("written", error)

    def _mirror(self, pack: bytes) -> Mirror:
        with self._lock:
            mirror = self._open.get(pack)
            if mirror is None:
                mirror = self._open[pack] = Mirror(self._directory, pack)
            self._open.move_to_end(pack)
            oldest = self._open.popitem(last=False)[1] if len(self._open) > OPEN_MIRRORS else None
        if oldest is not None:
            oldest.close()
        return mirror

    def _note_use(self, pack: bytes, mirror: Mirror) -> None:
        now = self._clock()
        with self._lock:
            if now - self._touched.get(pack, float("-inf")) < TOUCH_SECONDS:
                return
            self._touched[pack] = now
        mirror.touch()

    def _account(self, written: int) -> None:
        """Evict once enough was written since the last time, so that the limit is passed by little and not for long."""
        with self._lock:
            self._unchecked += written
            due = self._unchecked >= min(CHECK_EVERY, max(self._limit // 16, 1))
            if due:
                self._unchecked = 0
        if due:
            evict(self.root, limit=self._limit, floor=self._floor)

    def _has_room(self, length: int) -> bool:
        if free_bytes(self.root) - length < self._floor:
            evict(self.root, limit=self._limit, floor=self._floor + length)
        if free_bytes(self.root) - length >= self._floor:
            return length <= self._limit
        self._pause(f"cache {self.root}: not written: less than {self._floor >> 20} MiB would be left free on its disk")
        return False

    def _trouble(self, verb: str, error: OSError) -> None:
        self._pause(f"cache {self.root}: cannot be {verb}, reading from the store instead: {error.strerror}")

    def _pause(self, message: str) -> None:
        now = self._clock()
        if now >= self._paused_until:
            self._warn(message)
        self._paused_until = now + PAUSE_SECONDS


def status(root: Path, *, limit: int, floor: int) -> CacheStatus:
    """What lies in the cache at `root`."""
    kept = list(mirrors(root))
    free = free_bytes(existing(root))
    return CacheStatus(str(root), len(kept), sum(mirror.size for mirror in kept), limit, floor, free)


def clear(root: Path) -> int:
    """Remove every mirror; the bytes that were freed. Mounts in use go on and fetch again."""
    kept = list(mirrors(root))
    try:
        for mirror in kept:
            remove(mirror)
    except OSError as error:
        raise LocalIOError(f"cache {root}: cannot be cleared: {error.strerror}") from error
    return sum(mirror.size for mirror in kept)


def verify(root: Path) -> tuple[int, int]:
    """Check every piece of every mirror, drop what is damaged: (bytes checked, pieces dropped)."""
    checked = dropped = 0
    for kept in list(mirrors(root)):
        folder, name = os.path.split(kept.base)
        mirror = Mirror(Path(folder).parent, bytes.fromhex(name))
        one, bad = mirror.verify()
        mirror.close()
        checked, dropped = checked + one, dropped + bad
    return checked, dropped
