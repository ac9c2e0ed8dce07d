"""What each commit of a store was made from, kept on this host so that asking downwards reads only new commits.

Derived from commit objects, which never change: the file may be deleted or damaged at any time. A row that fails its
checksum is left out and made anew from the store.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from typing import TypeAlias

import msgspec
from xxhash import xxh3_64_intdigest

from vfs.errors import Corrupt, LocalIOError
from vfs.files.private import private_dir
from vfs.model.ids import Digest, digest_of
from vfs.model.wire import decode
from vfs.repo.library import Library

Source: TypeAlias = tuple[str, Digest]
_SCHEMA = "CREATE TABLE IF NOT EXISTS inputs(row BLOB NOT NULL, guard INTEGER NOT NULL)"
# A store that was replaced or emptied leaves rows behind: beyond this many useless ones all are dropped.
_USELESS = 10_000
# SQLite has signed integers only.
_SIGNED = 1 << 63


class _Row(msgspec.Struct, frozen=True, array_like=True):
    repo: str
    commit: Digest
    inputs: tuple[Source, ...]


_DECODER = msgspec.msgpack.Decoder(_Row)


class InputCache:
    """The inputs of commits by (repo, id). Never raises: without a usable file nothing is remembered."""

    def __init__(self, path: str | None) -> None:
        """The cache in the file `path`, made when absent; None remembers nothing."""
        self._conn = _open(path) if path is not None else None

    def load(self, wanted: set[Source]) -> dict[Source, tuple[Source, ...]]:
        """What is known of the commits `wanted`."""
        if self._conn is None:
            return {}
        try:
            rows = self._conn.execute("SELECT row, guard FROM inputs").fetchall()
        except sqlite3.Error:
            return {}
        found = {(row.repo, row.commit): row.inputs for row in map(_checked, rows) if row is not None}
        if len(rows) > len(wanted) + _USELESS:
            self._forget()
        return {key: inputs for key, inputs in found.items() if key in wanted}

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

    def close(self) -> None:
        """Release the file."""
        if self._conn is not None:
            self._conn.close()

    def _forget(self) -> None:
        if self._conn is not None:
            with self._conn:
                self._conn.execute("DELETE FROM inputs")


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
            conn.execute(_SCHEMA)
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


def _checked(found: tuple[object, object]) -> _Row | None:
    row, guard = found
    if not isinstance(row, bytes) or _guard(row) != guard:
        return None
    try:
        return decode(_DECODER, row, what="cache of inputs")
    except Corrupt:
        return None
