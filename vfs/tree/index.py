"""Index pages: for each child page its last key, its digest and its totals; locations lie outside the digest."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from operator import lt

import msgspec

from vfs.errors import Corrupt
from vfs.model.entry import BlobRef
from vfs.tree.columns import (
    U64,
    LocationReader,
    LocationWriter,
    encode_columns,
    pack_ints,
    split_digests,
    unpack_ints,
)

INDEX_MAX = 1024
# Names of at most 255 bytes below paths of at most 4,095, each byte escaped to two at worst.
KEY_MAX = 2 * 4096 + 256
DEPTH_MAX = 12


class Child(msgspec.Struct, frozen=True, gc=False):
    """One page as its parent sees it. `level` 0 is a leaf; `last` the last key below it.

    `linked`: entries that are names of files that have several.
    """

    level: int
    last: bytes
    ref: BlobRef
    entries: int
    files: int
    size: int
    linked: int = 0


class IndexColumns(msgspec.Struct, frozen=True, array_like=True, tag="index"):
    """The logical section of an index page of `level` ≥ 1, one value per child in key order.

    `last` are the last keys, `digests` 32 bytes each, `entries`, `files` and `sizes` u64 totals, and so is `linked`:
    names of files that have several. Where there are none that is not written.
    """

    level: int
    last: list[bytes]
    digests: bytes
    entries: bytes
    files: bytes
    sizes: bytes
    linked: bytes = b""


def encode_index(children: list[Child]) -> tuple[bytes, bytes]:
    """The logical and the location section of the page above `children`."""
    locations = LocationWriter()
    for child in children:
        locations.add(child.ref, page=True)
    columns = IndexColumns(
        level=children[0].level + 1,
        last=[child.last for child in children],
        digests=b"".join([child.ref.digest for child in children]),
        entries=pack_ints(U64, [child.entries for child in children]),
        files=pack_ints(U64, [child.files for child in children]),
        sizes=pack_ints(U64, [child.size for child in children]),
        linked=pack_ints(U64, [child.linked for child in children]) if any(child.linked for child in children) else b"",
    )
    return encode_columns("index", columns), locations.encode()


class Index:
    """A decoded index page: children by key and by row (the number of entries before them below this page)."""

    def __init__(self, columns: IndexColumns, location: bytes, *, what: str) -> None:
        self.level = columns.level
        self.last = columns.last
        self.count = len(self.last)
        if not 0 < self.count <= INDEX_MAX or not 0 < self.level <= DEPTH_MAX:
            raise Corrupt(f"{what}: an index page of {self.count} children at level {self.level}")
        if not all(map(lt, self.last, self.last[1:])) or max(map(len, self.last)) > KEY_MAX:
            raise Corrupt(f"{what}: keys out of order or too long")
        entries = unpack_ints(U64, columns.entries, count=self.count, what=what)
        if min(entries) < 1 or sum(entries) >= 2**40:
            raise Corrupt(f"{what}: impossible entry counts")
        self.starts = [0, *accumulate(entries)]
        self._digests = split_digests(columns.digests, count=self.count, what=what)
        self._files = unpack_ints(U64, columns.files, count=self.count, what=what)
        self._sizes = unpack_ints(U64, columns.sizes, count=self.count, what=what)
        linked = columns.linked or bytes(8 * self.count)
        self._linked = unpack_ints(U64, linked, count=self.count, what=what)
        self._locations = LocationReader(location, refs=self.count, pages=self.count, what=what)
        self._children: list[Child | None] = [None] * self.count
        self.weight = sum(map(len, self.last)) + 250 * self.count

    @property
    def entries(self) -> int:
        """Entries below this page."""
        return self.starts[-1]

    @property
    def files(self) -> int:
        """Regular files below this page."""
        return sum(self._files)

    @property
    def size(self) -> int:
        """Bytes of content below this page."""
        return sum(self._sizes)

    @property
    def linked(self) -> int:
        """Names below this page of files that have several."""
        return sum(self._linked)

    def child(self, position: int) -> Child:
        """The child at `position`."""
        child = self._children[position]
        if child is None:
            child = self._children[position] = self._describe(position)
        return child

    def _describe(self, position: int) -> Child:
        ref = self._locations.ref(position, self._digests[position], self._locations.page_lengths[position])
        entries = self.starts[position + 1] - self.starts[position]
        files, size, linked = self._files[position], self._sizes[position], self._linked[position]
        return Child(self.level - 1, self.last[position], ref, entries, files, size, linked)

    def for_key(self, key: bytes) -> int:
        """The position of the only child that may hold `key`; `count` when it is past the last."""
        return bisect_left(self.last, key)

    def for_row(self, row: int) -> int:
        """The position of the child that holds `row` (0 ≤ row < entries)."""
        return bisect_right(self.starts, row) - 1
