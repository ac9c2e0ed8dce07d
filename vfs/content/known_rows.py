"""Tables and rows of the local index of known chunks (see known). Derived data: any change of it is a new file name.

A row of `blobs`::

    key      32 bytes digest, for a page also u64le guard of its locations
    place    16 bytes pack id, u64le offset, u32le stored length, u32le raw length,
             u64le xxh3-64 of the key and of the 32 bytes before
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from xxhash import xxh3_64_intdigest

from vfs.content.pack_index import CHUNK, IndexEntry
from vfs.model.entry import BlobRef
from vfs.model.ids import DIGEST_SIZE, Digest

# WAL: writers of other processes do not stop a look-up. NORMAL: power loss may cost rows, which are derived.
# A cache of 32 MiB and checkpoints of 16: keys are random, so an insertion touches a page of its own.
SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA cache_size = -32768;
PRAGMA wal_autocheckpoint = 4096;
CREATE TABLE IF NOT EXISTS packs (pack BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blobs (key BLOB PRIMARY KEY, place BLOB NOT NULL) WITHOUT ROWID;
"""
_GUARD = struct.Struct("<Q")
_PLACE = struct.Struct("<16sQII")


def page_key(digest: Digest, guard: int) -> bytes:
    """The key of a page: its id, and which locations it holds. The key of a chunk is its digest."""
    return digest + _GUARD.pack(guard)


def entry_key(entry: IndexEntry) -> bytes:
    """The key of one blob of a pack."""
    return entry.ref.digest if entry.kind == CHUNK else page_key(entry.ref.digest, entry.guard)


def blob_row(entry: IndexEntry) -> tuple[bytes, bytes]:
    """The row for one blob of a pack."""
    ref, key = entry.ref, entry_key(entry)
    place = _PLACE.pack(ref.pack, ref.offset, ref.stored, ref.length)
    return key, place + _GUARD.pack(xxh3_64_intdigest(key + place))


def row_ref(key: bytes, row: object) -> BlobRef | None:
    """The reference in a row; None when the row is damaged."""
    if not isinstance(row, bytes) or len(row) != _PLACE.size + _GUARD.size:
        return None
    place, guard = row[: _PLACE.size], row[_PLACE.size :]
    if _GUARD.unpack(guard)[0] != xxh3_64_intdigest(key + place):
        return None
    pack, offset, stored, length = _PLACE.unpack(place)
    return BlobRef(key[:DIGEST_SIZE], length, pack, offset, stored)


def insert_packs(db: sqlite3.Connection, packs: Mapping[bytes, Sequence[IndexEntry]]) -> None:
    """One transaction: the blobs of each pack, and the note that it was read. Sorted by key: several times as fast."""
    rows = sorted(map(blob_row, chain.from_iterable(packs.values())))
    with db:
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT OR REPLACE INTO blobs VALUES (?, ?)", rows)
        db.executemany("INSERT OR IGNORE INTO packs VALUES (?)", ((pack,) for pack in packs))


def forget_packs(db: sqlite3.Connection, gone: Iterable[object]) -> None:
    """One transaction: all that is known of the packs `gone`. Scans the table: packs go rarely, and many at once."""
    with db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("CREATE TEMP TABLE gone (pack BLOB PRIMARY KEY)")
        db.executemany("INSERT OR IGNORE INTO gone VALUES (?)", ((pack,) for pack in gone))
        db.execute("DELETE FROM blobs WHERE substr(place, 1, 16) IN (SELECT pack FROM gone)")
        db.execute("DELETE FROM packs WHERE pack IN (SELECT pack FROM gone)")
        db.execute("DROP TABLE gone")
