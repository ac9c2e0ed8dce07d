"""One pack on local disk: a sparse file with the bytes that were fetched, and the map that says which."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import xxhash

from vfs.content.cache.records import RECORD, Piece, PieceMap, cut, decode, encode
from vfs.files.direct import DirectWriter

DATA, MAP = ".data", ".map"
# Who reads what was just fetched has it from memory; one for all mirrors, since its buffer is large.
_WRITER = DirectWriter()


class Mirror:
    """The mirror of one pack in `directory`. OSErrors are the caller's to handle.

    `_lock` guards the descriptors and the map within a process; an flock of the map file orders
    appends between processes. Another process may append, which `_refresh` sees, or remove both files, which
    shows as a link count of 0: then this mirror starts anew.
    """

    def __init__(self, directory: Path, pack: bytes) -> None:
        base = directory / pack.hex()[:2]
        self._data_path = base / (pack.hex() + DATA)
        self._map_path = base / (pack.hex() + MAP)
        self._lock = threading.Lock()
        self._data = self._map = -1
        self._seen = 0
        self._pieces = PieceMap()

    def read(self, start: int, end: int) -> memoryview | None:
        """The bytes `start` to `end`, checked; None when some are missing or damaged."""
        with self._lock:
            if not self._open(create=False):
                return None
            self._refresh()
            pieces = self._pieces.covering(start, end)
            if pieces is None:
                return None
            first = pieces[0].offset
            data = memoryview(os.pread(self._data, pieces[-1].end - first, first))
            if not self._check(pieces, data, first):
                return None
        return data[start - first : end - first]

    def write(self, offset: int, data: bytes | memoryview) -> int:
        """Keep `data` at `offset` where it is missing; the bytes that were new.

        The bytes are written without the lock: who reads other parts of the pack does not wait for the disk. Two that
        write one range write the same.
        """
        view = memoryview(data)
        with self._lock:
            self._open(create=True)
            self._refresh()
            # A read that finds some bytes missing looks at no others: what is damaged among those is replaced now.
            for old in self._pieces.touching(offset, offset + len(view)):
                self._check([old], memoryview(os.pread(self._data, old.length, old.offset)), old.offset)
            gaps = self._pieces.gaps(offset, offset + len(view))
            file = os.dup(self._data)
        try:
            records: list[Piece] = []
            for start, end in gaps:
                part = view[start - offset : end - offset]
                _WRITER.write(file, part, start)
                records += [piece for piece, _ in cut(start, part)]
            with self._lock:
                # Another process may have removed both files meanwhile: what was written is gone with them.
                if records and self._open(create=False) and os.path.samestat(os.fstat(file), os.fstat(self._data)):
                    self._append(records)
        finally:
            os.close(file)
        return sum(piece.length for piece in records)

    def drop(self, start: int, end: int) -> None:
        """Forget all pieces that touch `start` to `end`: what they hold is not what the store has."""
        with self._lock:
            if self._open(create=False):
                self._refresh()
                self._append([Piece(p.offset, 0, 0) for p in self._pieces if p.offset < end and p.end > start])

    def verify(self) -> tuple[int, int]:
        """Check every piece and drop the damaged ones: (bytes checked, pieces dropped)."""
        with self._lock:
            if not self._open(create=False):
                return 0, 0
            self._refresh()
            pieces, dropped = list(self._pieces), 0
            for piece in pieces:
                data = os.pread(self._data, piece.length, piece.offset)
                dropped += not self._check([piece], memoryview(data), piece.offset)
        return sum(piece.length for piece in pieces), dropped

    def touch(self) -> None:
        """Note that the mirror was used: its map file's mtime orders eviction."""
        with self._lock:
            if self._map >= 0:
                os.utime(self._map)

    def close(self) -> None:
        """Release both descriptors; the next use opens them again."""
        with self._lock:
            self._close()

    def _check(self, pieces: list[Piece], data: memoryview, first: int) -> bool:
        bad = [
            piece
            for piece in pieces
            if xxhash.xxh3_64_intdigest(data[piece.offset - first : piece.end - first]) != piece.guard
        ]
        self._append([Piece(piece.offset, 0, 0) for piece in bad])
        return not bad

    def _open(self, *, create: bool) -> bool:
        if self._map >= 0:
            if os.fstat(self._map).st_nlink and os.fstat(self._data).st_nlink:
                return True
            self._close()
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        try:
            if create:
                self._map_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._map = os.open(self._map_path, flags | os.O_APPEND, 0o600)
            self._data = os.open(self._data_path, flags, 0o600)
        except FileNotFoundError:
            self._close()
            if create:
                raise
        return self._map >= 0

    def _close(self) -> None:
        for fd in (self._data, self._map):
            if fd >= 0:
                os.close(fd)
        self._data = self._map = -1
        self._seen, self._pieces = 0, PieceMap()

    def _refresh(self) -> None:
        size = os.fstat(self._map).st_size
        if size - self._seen >= RECORD:
            whole = (size - self._seen) // RECORD * RECORD
            for record in decode(os.pread(self._map, whole, self._seen)):
                self._pieces.apply(record)
            self._seen += whole

    def _append(self, records: list[Piece]) -> None:
        if not records:
            return
        fcntl.flock(self._map, fcntl.LOCK_EX)
        try:
            torn = os.fstat(self._map).st_size % RECORD
            os.write(self._map, bytes(-torn % RECORD) + b"".join(map(encode, records)))
        finally:
            fcntl.flock(self._map, fcntl.LOCK_UN)
        self._refresh()
