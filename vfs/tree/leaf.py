"""Leaf pages: runs of entries in key order, stored by column.

A page has two sections. The logical one is all a user can see of its entries and is what the page's
digest covers; the other says where the chunks lie. Equal entries give an equal digest wherever the
packs are.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, pairwise
from operator import lt

import msgspec

from vfs.errors import Corrupt
from vfs.model.entry import INLINE_MAX, MODE_MASK, BlobRef, ChunkList, Entry, Kind
from vfs.model.names import NAME_MAX, PATH_MAX
from vfs.tree.columns import (
    I64,
    NO_DIGEST,
    U16,
    U64,
    LocationReader,
    LocationWriter,
    pack_ints,
    split_digests,
    unpack_ints,
)
from vfs.tree.keys import escape, unescape

LEAF_MAX = 4096
# How the content of a file is given: in the page, as one chunk whose digest is the file's, as a list.
INLINE, ONE_CHUNK, LIST = 0, 1, 2


class ListColumns(msgspec.Struct, frozen=True, array_like=True):
    """The chunk list of one file: level, digests back to back (zeros for a hole), u64 bytes of the file each covers."""

    level: int
    digests: bytes
    lengths: bytes


class LeafColumns(msgspec.Struct, frozen=True, array_like=True, tag="leaf"):
    """The logical section of a leaf, one value per entry in key order unless said otherwise.

    `dirs` are the escaped parent paths in order and `counts` how many entries each has here; `names`
    are joined by `/`; `kinds` one byte, `modes` u16, `mtimes` i64 ns, `sizes` u64. For files alone:
    `digests` (32 bytes each) and `shapes` (one byte). `inline`, `lists` and `targets` hold one item per
    file or symlink that has one; `xattrs` maps an entry's position to its pairs.
    """

    dirs: list[bytes]
    counts: list[int]
    names: bytes
    kinds: bytes
    modes: bytes
    mtimes: bytes
    sizes: bytes
    digests: bytes
    shapes: bytes
    inline: list[bytes]
    lists: list[ListColumns]
    targets: list[bytes]
    xattrs: dict[int, list[tuple[bytes, bytes]]]


def _shape(entry: Entry) -> int:
    content = entry.content
    if isinstance(content, bytes):
        return INLINE
    one = content.level == 0 and len(content.refs) == 1 and content.refs[0].digest == entry.digest
    return ONE_CHUNK if one else LIST


def _list_columns(content: ChunkList) -> ListColumns:
    digests = b"".join(ref.digest or NO_DIGEST for ref in content.refs)
    return ListColumns(content.level, digests, pack_ints(U64, content.lengths()))


def _groups(entries: list[Entry]) -> tuple[list[bytes], list[int]]:
    dirs: list[bytes] = []
    counts: list[int] = []
    last: bytes | None = None
    for entry in entries:
        parent = entry.parent
        if parent != last:
            dirs.append(escape(parent))
            counts.append(0)
            last = parent
        counts[-1] += 1
    return dirs, counts


def encode_leaf(entries: list[Entry]) -> tuple[bytes, bytes]:
    """The logical and the location section of a leaf that holds `entries`, which are in key order."""
    dirs, counts = _groups(entries)
    files = [entry for entry in entries if entry.kind is Kind.FILE]
    shapes = bytes(map(_shape, files))
    locations = LocationWriter()
    lists: list[ListColumns] = []
    for entry, shape in zip(files, shapes, strict=True):
        if isinstance(entry.content, ChunkList):
            if shape == LIST:
                lists.append(_list_columns(entry.content))
            for ref in entry.content.refs:
                locations.add(ref, page=entry.content.level > 0)
    columns = LeafColumns(
        dirs=dirs,
        counts=counts,
        names=b"/".join([entry.name for entry in entries]),
        kinds=bytes([entry.kind for entry in entries]),
        modes=pack_ints(U16, [entry.mode for entry in entries]),
        mtimes=pack_ints(I64, [entry.mtime_ns for entry in entries]),
        sizes=pack_ints(U64, [entry.size for entry in entries]),
        digests=b"".join([entry.digest for entry in files]),
        shapes=shapes,
        inline=[entry.content for entry in files if isinstance(entry.content, bytes)],
        lists=lists,
        targets=[entry.target for entry in entries if entry.kind is Kind.SYMLINK],
        xattrs={row: list(entry.xattrs) for row, entry in enumerate(entries) if entry.xattrs},
    )
    return msgspec.msgpack.encode(columns), locations.encode()


class Leaf:
    """A decoded leaf: `count` entries by position, and positions by escaped parent and name.

    Decoding checks everything an entry is made from, so `entry` cannot fail; entries are made only
    when asked for.
    """

    def __init__(self, columns: LeafColumns, location: bytes, *, what: str) -> None:
        self._what = what
        self._columns = columns
        self.names = columns.names.split(b"/")
        self.count = len(self.names)
        self._check_names()
        self._kinds = columns.kinds
        self._modes = unpack_ints(U16, columns.modes, count=self.count, what=what)
        self._mtimes = unpack_ints(I64, columns.mtimes, count=self.count, what=what)
        self._sizes = unpack_ints(U64, columns.sizes, count=self.count, what=what)
        self._paths = [unescape(parent) for parent in columns.dirs]
        self._starts = [0, *accumulate(columns.counts)]
        self._slots = self._assign_slots()
        self._locations = LocationReader(location, refs=self._ref_count, pages=self._page_count, what=what)
        # Rough bytes in memory: the columns and some 60 bytes for each name object and slot.
        self.weight = len(columns.names) + len(columns.digests) + len(location) + 150 * self.count

    def _bad(self, why: str) -> Corrupt:
        return Corrupt(f"{self._what}: {why}")

    def _check_names(self) -> None:
        c = self._columns
        if not 0 < self.count <= LEAF_MAX or sum(c.counts) != self.count or len(c.dirs) != len(c.counts):
            raise self._bad("entry counts do not fit together")
        if min(c.counts) < 1 or not all(map(lt, c.dirs, c.dirs[1:])):
            raise self._bad("directories out of order")
        if b"\0" in c.names or max(map(len, self.names)) > NAME_MAX or any(b"\0" in d for d in c.dirs):
            raise self._bad("a name is too long or holds NUL")
        if not {b".", b".."}.isdisjoint(self.names):
            raise self._bad("a name is . or ..")
        if b"" in self.names[1:] or (self.names[0] == b"" and c.dirs[0] != b""):
            raise self._bad("a name is empty")
        self._check_parents()
        start = 0
        for size in c.counts:
            if not all(a < b for a, b in pairwise(self.names[start : start + size])):
                raise self._bad("names out of order")
            start += size

    def _check_parents(self) -> None:
        for parent in map(unescape, self._columns.dirs):
            if len(parent) > PATH_MAX:
                raise self._bad("a path is too long")
            parts = parent.split(b"/") if parent else []
            if any(part in (b"", b".", b"..") or len(part) > NAME_MAX for part in parts):
                raise self._bad("a directory path is not one")

    def _assign_slots(self) -> list[tuple[int, int, int, int]]:
        """For each entry: (position among files, shape, position in its column, first located ref)."""
        c = self._columns
        self._digests = split_digests(c.digests, count=c.kinds.count(Kind.FILE), what=self._what)
        self._lists = [self._decode_list(columns) for columns in c.lists]
        if len(c.kinds) != self.count or len(c.shapes) != len(self._digests):
            raise self._bad("columns of different lengths")
        slots: list[tuple[int, int, int, int]] = []
        file = link = refs = 0
        used = [0, 0, 0]
        for row, kind in enumerate(c.kinds):
            if kind == Kind.FILE:
                shape = c.shapes[file]
                if shape > LIST:
                    raise self._bad(f"unknown content shape {shape}")
                slots.append((file, shape, used[shape], refs))
                refs += self._check_file(shape, used[shape], self._sizes[row])
                used[shape] += 1
                file += 1
            elif kind in (Kind.SYMLINK, Kind.DIR):
                slots.append((-1, kind, link, 0))
                link += kind == Kind.SYMLINK
            else:
                raise self._bad(f"unknown kind {kind}")
        if (used[INLINE], used[LIST], link) != (len(c.inline), len(c.lists), len(c.targets)):
            raise self._bad("columns of different lengths")
        self._ref_count = refs
        return slots

    def _check_file(self, shape: int, slot: int, size: int) -> int:
        """Check the content of one file against its size; how many located refs it has."""
        c = self._columns
        if shape == ONE_CHUNK:
            return 1
        if shape == INLINE:
            if slot >= len(c.inline) or not len(c.inline[slot]) == size <= INLINE_MAX:
                raise self._bad("inline content does not fit its size")
            return 0
        if slot >= len(self._lists) or sum(self._lists[slot][2]) != size:
            raise self._bad("a chunk list does not fit its size")
        return sum(1 for digest in self._lists[slot][1] if digest != NO_DIGEST)

    def _decode_list(self, columns: ListColumns) -> tuple[int, list[bytes], list[int]]:
        count = len(columns.lengths) // 8
        digests = split_digests(columns.digests, count=count, what=self._what)
        lengths = unpack_ints(U64, columns.lengths, count=count, what=self._what)
        if not 0 <= columns.level <= 8 or not count or (columns.level and NO_DIGEST in digests):
            raise self._bad("a chunk list is not one")
        return columns.level, digests, list(lengths)

    @property
    def _page_count(self) -> int:
        return sum(len(digests) for level, digests, _ in self._lists if level)

    def key(self, position: int) -> bytes:
        """The key of the entry at `position`."""
        group = bisect_left(self._starts, position + 1) - 1
        return self._columns.dirs[group] + b"\0" + self.names[position]

    def find(self, parent: bytes, name: bytes) -> int | None:
        """The position of `name` in the directory whose escaped path is `parent`, or None."""
        start, end = self.group(parent)
        position = bisect_left(self.names, name, start, end)
        return position if position < end and self.names[position] == name else None

    def group(self, parent: bytes) -> tuple[int, int]:
        """The positions (start, end) of the entries here whose escaped parent is `parent`."""
        dirs = self._columns.dirs
        group = bisect_left(dirs, parent)
        if group == len(dirs) or dirs[group] != parent:
            return 0, 0
        return self._starts[group], self._starts[group + 1]

    def first_above(self, key: bytes) -> int:
        """The first position whose key is greater than `key`; `count` when there is none."""
        parent, _, name = key.partition(b"\0")
        dirs = self._columns.dirs
        group = bisect_left(dirs, parent)
        if group == len(dirs):
            return self.count
        if dirs[group] != parent:
            return self._starts[group]
        start, end = self._starts[group], self._starts[group + 1]
        position = bisect_left(self.names, name, start, end)
        return position + (position < end and self.names[position] == name)

    def entry(self, position: int) -> Entry:
        """The entry at `position`."""
        file, shape, slot, ref = self._slots[position]
        name = self.names[position]
        parent = self._paths[bisect_left(self._starts, position + 1) - 1]
        path = parent + b"/" + name if parent else name
        kind = Kind(self._kinds[position])
        size = self._sizes[position]
        is_file = kind is Kind.FILE
        digest = self._digests[file] if is_file else b""
        return Entry(
            path=path,
            kind=kind,
            mode=self._modes[position] & MODE_MASK,
            mtime_ns=self._mtimes[position],
            size=size,
            digest=digest,
            content=self._content(digest, size, shape, slot, ref) if is_file else b"",
            target=self._columns.targets[slot] if kind is Kind.SYMLINK else b"",
            xattrs=self._xattrs(position),
        )

    def single_chunks(self, start: int, end: int) -> list[tuple[int, BlobRef]]:
        """(position, its chunk) of each file of exactly one chunk from `start` to before `end`; no entries are made."""
        ref, digests, sizes = self._locations.ref, self._digests, self._sizes
        return [
            (position, ref(located, digests[file], sizes[position]))
            for position, (file, shape, _, located) in enumerate(self._slots[start:end], start)
            if file >= 0 and shape == ONE_CHUNK
        ]

    def _xattrs(self, position: int) -> tuple[tuple[bytes, bytes], ...]:
        pairs = self._columns.xattrs.get(position)
        return tuple((name, value) for name, value in pairs) if pairs else ()

    def _content(self, digest: bytes, size: int, shape: int, slot: int, ref: int) -> bytes | ChunkList:
        if shape == INLINE:
            return self._columns.inline[slot]
        if shape == ONE_CHUNK:
            return ChunkList((self._locations.ref(ref, digest, size),))
        level, digests, lengths = self._lists[slot]
        if level:
            return ChunkList(tuple(self._page_refs(slot, digests, ref)), level, tuple(lengths))
        return ChunkList(tuple(self._chunk_refs(digests, lengths, ref)))

    def _page_refs(self, slot: int, digests: list[bytes], ref: int) -> list[BlobRef]:
        before = sum(len(d) for level, d, _ in self._lists[:slot] if level)
        sizes = self._locations.page_lengths
        return [self._locations.ref(ref + i, digest, sizes[before + i]) for i, digest in enumerate(digests)]

    def _chunk_refs(self, digests: list[bytes], lengths: list[int], ref: int) -> list[BlobRef]:
        refs: list[BlobRef] = []
        for digest, length in zip(digests, lengths, strict=True):
            if digest == NO_DIGEST:
                refs.append(BlobRef(b"", length, b"", 0, 0))
            else:
                refs.append(self._locations.ref(ref, digest, length))
                ref += 1
        return refs

    @property
    def files(self) -> int:
        """How many of the entries are regular files."""
        return len(self._digests)

    @property
    def size(self) -> int:
        """Bytes of content of the regular files."""
        return sum(size for size, kind in zip(self._sizes, self._kinds, strict=True) if kind == Kind.FILE)

    def total(self, start: int, end: int) -> tuple[int, int]:
        """(files, bytes of their content) among the entries from `start` to before `end`."""
        sizes = [self._sizes[i] for i in range(start, end) if self._kinds[i] == Kind.FILE]
        return len(sizes), sum(sizes)
