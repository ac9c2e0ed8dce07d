"""The local index of known chunks: which blobs the packs of a store hold, and where.

Only writers use it, to store no blob twice. It is derived from the indexes of the packs: it may be
deleted, damaged or stale at any time, which costs a rebuild or a blob stored twice, and never a wrong
reference: each row carries an xxh3 of itself.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from vfs.concurrency.pool import ordered_map
from vfs.content.known_rows import SCHEMA, forget_packs, insert_packs, row_ref
from vfs.content.pack import PREFIX, pack_key, pack_of_key, read_index
from vfs.content.pack_index import IndexEntry
from vfs.errors import Corrupt, LocalIOError, ObjectMissing
from vfs.model.entry import BlobRef
from vfs.store.protocol import Store

_log = logging.getLogger(__name__)
T = TypeVar("T")
# Another process holds the database for one insertion, milliseconds; this is for a stalled disk.
BUSY_SECONDS = 30.0
# Indexes read at a time: each is one small request, a new host may have thousands to read.
READERS = 8
# Rows of one transaction: 20 MB of them.
BATCH = 50_000
# What SQLite says of a file that is damaged, no database, or of other tables.
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}


class KnownChunks:
    """Digest to location for every blob in the packs of one store, in a SQLite file. Thread-safe, process-safe.

    Invariant: a row was true when it was written: the pack was durable in the store and held that
    blob there. `_lock` guards the connection and `_synced`.
    """

    def __init__(self, path: str | Path, store: Store) -> None:
        self._path = Path(path)
        self._store = store
        self._lock = threading.RLock()
        self._synced = False
        self._connection: sqlite3.Connection | None = None

    def find(self, key: bytes) -> BlobRef | None:
        """Where the blob of this key lies (a chunk's is its digest, a page's known_rows.page_key); None if unknown."""
        place = self._place(key)
        if not self._synced:
            # The first look-up, or this one found the file damaged and made a new one.
            self.sync()
            place = self._place(key)
        return row_ref(key, place) if place is not None else None

    def add(self, entries: Sequence[IndexEntry]) -> None:
        """Remember the blobs of one pack that is durable in the store."""
        if entries:
            self._insert({entries[0].ref.pack: entries})

    def sync(self) -> Set[bytes]:
        """Read the indexes of packs that are new in the store, forget those that are gone; the ids of all there are.

        The first look-up does it, and the first after the file had to be built anew. A pack that cannot
        be read is left out, with a warning: knowing it only saves space.
        """
        with self._lock:
            # Before the listing: a pack that another process adds meanwhile is not in it and must not be forgotten.
            known = self._run(lambda db: {row[0] for row in db.execute("SELECT pack FROM packs")})
            present = {pack: info.size for info in self._store.list(PREFIX) if (pack := pack_of_key(info.key))}
            gone = known - present.keys()
            if gone:
                self._run(lambda db: forget_packs(db, gone))
            self._learn([(pack, size) for pack, size in present.items() if pack not in known])
            self._synced = True
            return present.keys()

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _place(self, key: bytes) -> object:
        row = self._run(lambda db: db.execute("SELECT place FROM blobs WHERE key = ?", (key,)).fetchone())
        return row[0] if row else None

    def _learn(self, packs: list[tuple[bytes, int]]) -> None:
        batch: dict[bytes, Sequence[IndexEntry]] = {}
        indexes = ordered_map(self._index, packs, workers=READERS, ahead=READERS)
        for (pack, _), entries in zip(packs, indexes, strict=True):
            if entries is not None:
                batch[pack] = entries
            if sum(map(len, batch.values())) >= BATCH:
                self._insert(batch)
                batch = {}
        self._insert(batch)

    def _insert(self, packs: Mapping[bytes, Sequence[IndexEntry]]) -> None:
        if packs:
            self._run(lambda db: insert_packs(db, packs))

    def _index(self, found: tuple[bytes, int]) -> Sequence[IndexEntry] | None:
        """What a pack holds; None when it vanished meanwhile, or is damaged."""
        pack, size = found
        try:
            return read_index(self._store, pack_key(pack), size=size)
        except ObjectMissing:
            return None
        except Corrupt as error:
            _log.warning("%s; its blobs are not reused", error)
            return None

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`work` on the open database; once more on a new one when the file turns out to be damaged."""
        with self._lock:
            try:
                return work(self._open())
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                    raise self._unusable(error) from error
                self._discard(error)
            try:
                return work(self._open())
            except sqlite3.Error as error:
                raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> LocalIOError:
        return LocalIOError(f"{self._path}: index of known chunks cannot be used: {error}")

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            except OSError as error:
                raise self._unusable(error) from error
            self._connection = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            # A damaged row may claim to be text.
            self._connection.text_factory = bytes
            self._connection.executescript(SCHEMA)
        return self._connection

    def _discard(self, error: sqlite3.Error) -> None:
        """Delete the damaged file: all in it can be read from the store again, by the next sync."""
        _log.info("%s: built anew: %s", self._path, error)
        with suppress(sqlite3.Error):
            self.close()
        self._connection = None
        self._synced = False
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                os.unlink(f"{self._path}{suffix}")
