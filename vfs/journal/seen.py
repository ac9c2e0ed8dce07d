"""Which (process, file) pairs were observed already, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable

from vfs.model.ids import Digest

# Neighbouring rows share one integer, a bit each: a process that reads a whole tree costs some 3 bytes a file.
_SHIFT = 6
_MASK = (1 << _SHIFT) - 1
# Entries of about 140 bytes: 35 MB.
LIMIT = 250_000


class Seen:
    """A set of (process key, file) pairs. A pair may be forgotten, and is then observed again: harmless.

    A file is (source number, row of its entry in the tree).
    """

    def __init__(self, limit: int = LIMIT) -> None:
        """`limit`: groups of 64 neighbouring rows remembered."""
        self._bits: dict[tuple[int, int, int], int] = {}
        self._limit = limit

    def has(self, process: int, source: int, row: int) -> bool:
        """True when the pair was added and not forgotten."""
        return bool(self._bits.get((process, source, row >> _SHIFT), 0) >> (row & _MASK) & 1)

    def missing(self, process: int, source: int, rows: Iterable[int]) -> list[int]:
        """Those of `rows` whose pair with the process was not added, or was forgotten, in their order."""
        found, group, bits = list[int](), -1, 0
        for row in rows:
            # Neighbours are mostly asked for together.
            if row >> _SHIFT != group:
                group = row >> _SHIFT
                bits = self._bits.get((process, source, group), 0)
            if not bits >> (row & _MASK) & 1:
                found.append(row)
        return found

    def add(self, process: int, source: int, row: int) -> None:
        """Remember the pair; when there is no room, forget the oldest half of all."""
        self._add(process, source, row >> _SHIFT, 1 << (row & _MASK))

    def add_all(self, process: int, source: int, rows: Iterable[int]) -> None:
        """As `add`, for all `rows`."""
        group, bits = -1, 0
        for row in rows:
            if row >> _SHIFT != group:
                if bits:
                    self._add(process, source, group, bits)
                group, bits = row >> _SHIFT, 0
            bits |= 1 << (row & _MASK)
        if bits:
            self._add(process, source, group, bits)

    def _add(self, process: int, source: int, group: int, bits: int) -> None:
        key = (process, source, group)
        if key not in self._bits and len(self._bits) >= self._limit:
            for old in list(self._bits)[: self._limit // 2]:
                del self._bits[old]
        self._bits[key] = self._bits.get(key, 0) | bits


def row_of(path: bytes, digest: Digest) -> int:
    """A stand-in for the row of an entry where the caller has none: 61 bits of a keyed hash."""
    return hash((path, digest)) & (1 << 61) - 1
