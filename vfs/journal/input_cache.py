"""What each commit of a store was made from, kept on this host so that asking downwards reads only new commits.

Derived from commit objects, which never change: the file may be deleted or damaged at any time. A row that fails its
checksum is left out and made anew from the store.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from typing import TypeAlias, TypeVar

import msgspec
from xxhash import xxh3_64_intdigest

from vfs.errors import Corrupt, LocalIOError
from vfs.files.private import private_dir
from vfs.model.ids import Digest, digest_of
from vfs.model.wire import decode
from vfs.repo.library import Library

T = TypeVar("T")
Source: TypeAlias = tuple[str, Digest]
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS inputs(row BLOB NOT NULL, guard INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS drawn(key BLOB PRIMARY KEY, row BLOB NOT NULL, guard INTEGER NOT NULL) WITHOUT ROWID",
)
# A store that was replaced or emptied leaves rows behind: beyond this many useless ones all are dropped.
_USELESS = 10_000
# SQLite has signed integers only.
_SIGNED = 1 << 63


class _Row(msgspec.Struct, frozen=True, array_like=True):
    repo: str
    commit: Digest
    inputs: tuple[Source, ...]


class Drawn(msgspec.Struct, frozen=True, array_like=True):
    """What the run behind a commit had of its inputs, in short.

    `observed`: all its reads are known. `marks` are 32-bit hashes of what it read, listed and looked up in vain,
    sorted, in the byte order of the host. `origins` are the commits that made what it read, or may have.
    """

    repo: str
    commit: Digest
    observed: bool
    marks: bytes
    origins: tuple[Source, ...]


_DECODER = msgspec.msgpack.Decoder(_Row)
_DRAWN = msgspec.msgpack.Decoder(Drawn)


class InputCache:
    """The inputs of commits by (repo, id). Never raises: without a usable file nothing is remembered."""

    def __init__(self, path: str | None) -> None:
        """The cache in the file `path`, made when absent; None remembers nothing."""
        self._conn = _open(path) if path is not None else None

    def load(self, wanted: set[Source]) -> dict[Source, tuple[Source, ...]]:
        """What is known of the commits `wanted`."""
        found = self.all()
        known = {key: inputs for key, inputs in found.items() if key in wanted}
        if len(found) > len(known) + _USELESS:
            self._forget()
        return known

    def all(self) -> dict[Source, tuple[Source, ...]]:
        """What is known of any commits, also of some that are gone."""
        if self._conn is None:
            return {}
        try:
            rows = self._conn.execute("SELECT row, guard FROM inputs").fetchall()
        except sqlite3.Error:
            return {}
        return {(row.repo, row.commit): row.inputs for row in map(_checked, rows) if row is not None}

    def add(self, known: Iterable[tuple[Source, tuple[Source, ...]]]) -> None:
        """Remember the inputs of more commits."""
        if self._conn is None:
            return
        rows = [msgspec.msgpack.encode(_Row(repo, commit, inputs)) for (repo, commit), inputs in known]
        try:
            with self._conn:
                self._conn.executemany("INSERT INTO inputs VALUES(?,?)", [(row, _guard(row)) for row in rows])
        except sqlite3.Error:
            # A full or read-only disk: the answer is right all the same, only slower next time.
            return

    def drawn(self, source: Source) -> Drawn | None:
        """What is known of the run behind the commit `source`."""
        if self._conn is None:
            return None
        try:
            found = self._conn.execute("SELECT row, guard FROM drawn WHERE key = ?", (_key(source),)).fetchone()
        except sqlite3.Error:
            return None
        row = _sound(found, _DRAWN) if found is not None else None
        return row if row is not None and (row.repo, row.commit) == source else None

    def add_drawn(self, known: Iterable[Drawn]) -> None:
        """Remember of more commits what their runs had."""
        if self._conn is None:
            return
        rows = [((row.repo, row.commit), msgspec.msgpack.encode(row)) for row in known]
        try:
            with self._conn:
                self._conn.executemany(
                    "REPLACE INTO drawn VALUES(?,?,?)", [(_key(source), row, _guard(row)) for source, row in rows]
                )
        except sqlite3.Error:
            return

    def close(self) -> None:
        """Release the file."""
        if self._conn is not None:
            self._conn.close()

    def _forget(self) -> None:
        if self._conn is not None:
            with self._conn:
                self._conn.execute("DELETE FROM inputs")
                self._conn.execute("DELETE FROM drawn")


def cache_path(library: Library) -> str | None:
    """Where the cache of the library's store lies; None when there can be none."""
    try:
        directory = private_dir(os.path.join(library.settings.cache_dir, "lineage"))
    except LocalIOError:
        return None
    return os.path.join(directory, f"{digest_of(library.store.get('vfs.json')).hex()[:32]}.db")


def _open(path: str) -> sqlite3.Connection | None:
    for _ in range(2):
        try:
            conn = sqlite3.connect(path, timeout=1.0)
        except sqlite3.Error:
            return None
        try:
            conn.execute("PRAGMA journal_mode=WAL")
            for statement in _SCHEMA:
                conn.execute(statement)
        except sqlite3.OperationalError:
            conn.close()
            return None
        except sqlite3.DatabaseError:
            # Not a database any more.
            conn.close()
            _remove(path)
        else:
            return conn
    return None


def _remove(path: str) -> None:
    for name in (path, f"{path}-wal", f"{path}-shm"):
        try:
            os.unlink(name)
        except OSError:
            continue


def _guard(row: bytes) -> int:
    return xxh3_64_intdigest(row) - _SIGNED


def _key(source: Source) -> bytes:
    return source[1] + source[0].encode("utf-8", "surrogateescape")


def _checked(found: tuple[object, object]) -> _Row | None:
    return _sound(found, _DECODER)


def _sound(found: tuple[object, object], decoder: msgspec.msgpack.Decoder[T]) -> T | None:
    row, guard = found
    if not isinstance(row, bytes) or _guard(row) != guard:
        return None
    try:
        return decode(decoder, row, what="cache of inputs")
    except Corrupt:
        return None
