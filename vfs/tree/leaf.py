"""Leaf pages as they are read: entries by position, positions by name, and columns for who needs no entries."""

from __future__ import annotations

import stat
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, compress

import msgspec

from vfs.errors import Corrupt
from vfs.model.entry import INLINE_MAX, MODE_MASK, BlobRef, ChunkList, Entry, Kind, Links
from vfs.model.ids import DIGEST_SIZE
from vfs.tree.checks import check_links, check_names, check_parents
from vfs.tree.columns import (
    I64,
    NO_DIGEST,
    U16,
    U32,
    U64,
    LocationReader,
    counts_before,
    flags,
    split_digests,
    unpack_ints,
)
from vfs.tree.keys import unescape
from vfs.tree.layout import INLINE, LIST, ONE_CHUNK, LeafColumns, ListColumns

_FILE, _DIR, _SYMLINK = map(int, Kind)
_KINDS = {int(kind): kind for kind in Kind}
_FORMATS = {_FILE: stat.S_IFREG, _DIR: stat.S_IFDIR, _SYMLINK: stat.S_IFLNK}
# The format of a kind is all in the upper byte of a mode.
_FORMAT_BYTES = bytes(_FORMATS.get(kind, 0) >> 8 for kind in range(256))


class Attributes(msgspec.Struct, frozen=True, gc=False):
    """What `stat` tells of consecutive entries, one value each: name, type and permission bits, size, bytes without
    holes (0 for what is no file; a file whose chunk list is paged counts whole), mtime in ns."""

    names: list[bytes]
    modes: array[int]
    sizes: array[int]
    occupied: array[int]
    mtimes: array[int]


class _Chunks(msgspec.Struct, frozen=True, gc=False):
    """A decoded chunk list. `located` refs are no holes; `holes` bytes of the file are."""

    level: int
    digests: list[bytes]
    lengths: list[int]
    located: int
    holes: int


class Leaf:
    """A decoded leaf: `count` entries by position, and positions by escaped parent and name.

    Decoding checks everything an entry is made from, so `entry` cannot fail; entries, and where each finds its
    values in the columns that only some have, are made only when asked for.
    """

    def __init__(self, columns: LeafColumns, location: bytes, *, what: str) -> None:
        self._what = what
        self._columns = columns
        self.names = columns.names.split(b"/")
        self.count = len(self.names)
        check_names(columns, self.names, what=what)
        paths = [unescape(parent) for parent in columns.dirs]
        check_parents(paths, what=what)
        self._prefixes = [path + b"/" if path else b"" for path in paths]
        self._starts = [0, *accumulate(columns.counts)]
        self.last = columns.dirs[-1] + b"\0" + self.names[-1]
        self._kinds = columns.kinds
        self.files = self._kinds.count(_FILE)
        self._mtimes = unpack_ints(I64, columns.mtimes, count=self.count, what=what)
        self._sizes = unpack_ints(U64, columns.sizes, count=self.count, what=what)
        self._modes = unpack_ints(U16, columns.modes, count=self.count, what=what)
        self._lists = [self._decode_list(chunks) for chunks in columns.lists]
        self._check_content()
        if columns.links:
            check_links(columns, self.path, what=what)
        refs = columns.shapes.count(ONE_CHUNK) + sum(chunks.located for chunks in self._lists)
        pages = sum(len(chunks.digests) for chunks in self._lists if chunks.level)
        self._locations = LocationReader(location, refs=refs, pages=pages, what=what)
        # Rough bytes in memory: the columns, for each entry a name object and what is worked out when asked for.
        self.weight = len(columns.names) + len(columns.digests) + len(location) + 100 * self.count

    def _bad(self, why: str) -> Corrupt:
        return Corrupt(f"{self._what}: {why}")

    def _check_content(self) -> None:
        c = self._columns
        if len(c.kinds) != self.count or len(c.shapes) != self.files:
            raise self._bad("columns of different lengths")
        if c.kinds.translate(None, bytes(_KINDS)) or c.shapes.translate(None, bytes((INLINE, ONE_CHUNK, LIST))):
            raise self._bad("unknown kind or content shape")
        # An ASCII top byte: no size reaches 2^63, which nothing that shows sizes could show.
        if len(c.digests) != DIGEST_SIZE * self.files or not c.sizes[7::8].isascii():
            raise self._bad("a digest is missing or a size is impossible")
        sizes = self._file_sizes()
        inline = list(compress(sizes, flags(c.shapes, INLINE)))
        if list(map(len, c.inline)) != inline or max(inline, default=0) > INLINE_MAX:
            raise self._bad("inline content does not fit its size")
        if [sum(chunks.lengths) for chunks in self._lists] != list(compress(sizes, flags(c.shapes, LIST))):
            raise self._bad("a chunk list does not fit its size")
        if c.kinds.count(_SYMLINK) != len(c.targets):
            raise self._bad("columns of different lengths")

    def _file_sizes(self) -> Sequence[int]:
        return self._sizes if self.files == self.count else list(compress(self._sizes, flags(self._kinds, _FILE)))

    def _decode_list(self, columns: ListColumns) -> _Chunks:
        count = len(columns.lengths) // 8
        digests = split_digests(columns.digests, count=count, what=self._what)
        lengths = unpack_ints(U64, columns.lengths, count=count, what=self._what)
        holes = [length for digest, length in zip(digests, lengths, strict=True) if digest == NO_DIGEST]
        if not 0 <= columns.level <= 8 or not count or (columns.level and holes):
            raise self._bad("a chunk list is not one")
        return _Chunks(columns.level, digests, list(lengths), count - len(holes), sum(holes))

    def key(self, position: int) -> bytes:
        """The key of the entry at `position`."""
        return self._columns.dirs[bisect_right(self._starts, position) - 1] + b"\0" + self.names[position]

    def path(self, position: int) -> bytes:
        """The path of the entry at `position`."""
        return self._prefixes[bisect_right(self._starts, position) - 1] + self.names[position]

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
        return bisect_right(self.names, name, self._starts[group], self._starts[group + 1])

    def entry(self, position: int) -> Entry:
        """The entry at `position`."""
        columns, kind = self._columns, self._kinds[position]
        digest, target = b"", b""
        content: bytes | ChunkList = b""
        if kind == _FILE:
            file = self._file_ranks[position]
            digest = columns.digests[file * DIGEST_SIZE : (file + 1) * DIGEST_SIZE]
            content = self._content(file, digest, self._sizes[position])
        elif kind == _SYMLINK:
            target = columns.targets[self._link_ranks[position]]
        return Entry(
            path=self._prefixes[bisect_right(self._starts, position) - 1] + self.names[position],
            kind=_KINDS[kind],
            mode=self._modes[position] & MODE_MASK,
            mtime_ns=self._mtimes[position],
            size=self._sizes[position],
            digest=digest,
            content=content,
            target=target,
            xattrs=self._xattrs(position) if columns.xattrs else (),
            links=self.links(position) if columns.links else None,
        )

    @property
    def linked(self) -> int:
        """How many entries here are names of files that have several."""
        return len(self._columns.links)

    def links(self, position: int) -> Links | None:
        """The other names of the file at `position`, None when it has none."""
        found = self._columns.links.get(position)
        return None if found is None else Links(found[0] or self.path(position), *found[1:])

    def linked_positions(self, start: int, end: int) -> list[int]:
        """The positions from `start` to before `end` that are names of files that have several, in order."""
        return sorted(position for position in self._columns.links if start <= position < end)

    def file_names(self, positions: Iterable[int]) -> Iterator[tuple[bytes, bytes]]:
        """(path, digest) of the regular files at `positions`, which rise; no entries are made."""
        ranks, digests, names = self._file_ranks, self._columns.digests, self.names
        group, end, prefix = -1, 0, b""
        for position in positions:
            while position >= end:
                group += 1
                end, prefix = self._starts[group + 1], self._prefixes[group]
            file = ranks[position] * DIGEST_SIZE
            yield prefix + names[position], digests[file : file + DIGEST_SIZE]

    def attributes(self, start: int, end: int) -> Attributes:
        """What `stat` tells of the entries from `start` to before `end`; no entries are made."""
        return Attributes(
            self.names[start:end],
            self._full_modes[start:end],
            self._sizes[start:end],
            self._occupied[start:end],
            self._mtimes[start:end],
        )

    def single_chunks(self, start: int, end: int) -> list[tuple[int, BlobRef]]:
        """(position, its chunk) of each file of exactly one chunk from `start` to before `end`; no entries are made."""
        end = min(end, self.count)
        digests, shapes, sizes, ref = self._columns.digests, self._columns.shapes, self._sizes, self._locations.ref
        files = range(self._file_ranks[start], self._file_ranks[end])
        positions = compress(range(start, end), flags(self._kinds[start:end], _FILE))
        return [
            (position, ref(first, digests[file * DIGEST_SIZE : (file + 1) * DIGEST_SIZE], sizes[position]))
            for position, file, first in zip(positions, files, self._first_refs[files.start : files.stop], strict=True)
            if shapes[file] == ONE_CHUNK
        ]

    def total(self, start: int, end: int) -> tuple[int, int]:
        """(files, bytes of their content) among the entries from `start` to before `end`."""
        kinds = self._kinds[start:end]
        return kinds.count(_FILE), sum(compress(self._sizes[start:end], flags(kinds, _FILE)))

    @property
    def size(self) -> int:
        """Bytes of content of the regular files."""
        return self.total(0, self.count)[1]

    @cached_property
    def _file_ranks(self) -> Sequence[int]:
        """How many files come before each position."""
        return counts_before(self._kinds, _FILE)

    @cached_property
    def _link_ranks(self) -> Sequence[int]:
        """How many symlinks come before each position."""
        return counts_before(self._kinds, _SYMLINK)

    @cached_property
    def _shape_ranks(self) -> list[Sequence[int]]:
        """By shape: how many files of that shape come before each file."""
        return [counts_before(self._columns.shapes, shape) for shape in (INLINE, ONE_CHUNK, LIST)]

    @cached_property
    def _first_refs(self) -> Sequence[int]:
        """How many located refs come before those of each file."""
        shapes = self._columns.shapes
        if not self._lists:
            return self._shape_ranks[ONE_CHUNK]
        refs, file = list(flags(shapes, ONE_CHUNK)), -1
        for chunks in self._lists:
            file = shapes.index(LIST, file + 1)
            refs[file] = chunks.located
        return array(U32, accumulate(refs, initial=0))

    @cached_property
    def _full_modes(self) -> array[int]:
        """Type and permission bits: both columns as one large number each, which is as fast as it gets."""
        formats = bytearray(2 * self.count)
        formats[1::2] = self._kinds.translate(_FORMAT_BYTES)
        mask = int.from_bytes(MODE_MASK.to_bytes(2, "little") * self.count, "little")
        both = int.from_bytes(self._columns.modes, "little") & mask | int.from_bytes(formats, "little")
        return unpack_ints(U16, both.to_bytes(2 * self.count, "little"), count=self.count, what=self._what)

    @cached_property
    def _occupied(self) -> array[int]:
        """Bytes that are stored of each entry, as far as it lists its chunks itself."""
        if not self._columns.targets and not any(chunks.holes for chunks in self._lists):
            return self._sizes
        occupied, position = self._sizes[:], -1
        for _ in self._columns.targets:
            position = self._kinds.index(_SYMLINK, position + 1)
            occupied[position] = 0
        lists = compress(compress(range(self.count), flags(self._kinds, _FILE)), flags(self._columns.shapes, LIST))
        for position, chunks in zip(lists, self._lists, strict=True):
            occupied[position] -= chunks.holes
        return occupied

    def _xattrs(self, position: int) -> tuple[tuple[bytes, bytes], ...]:
        pairs = self._columns.xattrs.get(position)
        return tuple((name, value) for name, value in pairs) if pairs else ()

    def _content(self, file: int, digest: bytes, size: int) -> bytes | ChunkList:
        shape = self._columns.shapes[file]
        slot = self._shape_ranks[shape][file]
        if shape == INLINE:
            return self._columns.inline[slot]
        first = self._first_refs[file]
        if shape == ONE_CHUNK:
            return ChunkList((self._locations.ref(first, digest, size),))
        chunks = self._lists[slot]
        if chunks.level:
            return ChunkList(tuple(self._page_refs(slot, first)), chunks.level, tuple(chunks.lengths))
        return ChunkList(tuple(self._chunk_refs(chunks, first)))

    def _page_refs(self, slot: int, ref: int) -> list[BlobRef]:
        before = sum(len(chunks.digests) for chunks in self._lists[:slot] if chunks.level)
        sizes, digests = self._locations.page_lengths, self._lists[slot].digests
        return [self._locations.ref(ref + i, digest, sizes[before + i]) for i, digest in enumerate(digests)]

    def _chunk_refs(self, chunks: _Chunks, ref: int) -> list[BlobRef]:
        refs: list[BlobRef] = []
        for digest, length in zip(chunks.digests, chunks.lengths, strict=True):
            if digest == NO_DIGEST:
                refs.append(BlobRef(b"", length, b"", 0, 0))
            else:
                refs.append(self._locations.ref(ref, digest, length))
                ref += 1
        return refs
