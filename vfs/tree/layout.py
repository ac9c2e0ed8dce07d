"""How the entries of a leaf page are laid out by column, and how they are written.

A page has two sections. The logical one is all a user can see of its entries and is what the page's
digest covers; the other says where the chunks lie. Equal entries give an equal digest wherever the
packs are.
"""

from __future__ import annotations

import msgspec

from vfs.model.entry import ChunkList, Entry, Kind
from vfs.tree.columns import I64, NO_DIGEST, U16, U64, LocationWriter, encode_columns, pack_ints
from vfs.tree.keys import escape

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
    file or symlink that has one; `xattrs` maps an entry's position to its pairs. `links` maps the position of a file
    of several names to the first of them (b"" for this one), the next one (b"" for none) and their number; where the
    page has no such file the field is not written.
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
    links: dict[int, tuple[bytes, bytes, int]] = {}


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


def _links(entries: list[Entry]) -> dict[int, tuple[bytes, bytes, int]]:
    return {
        row: (b"" if entry.links.first == entry.path else entry.links.first, entry.links.next, entry.links.count)
        for row, entry in enumerate(entries)
        if entry.links is not None
    }


def encode_leaf(entries: list[Entry], *, linked: bool = True) -> tuple[bytes, bytes]:
    """The logical and the location section of a leaf that holds `entries`, which are in key order.

    `linked` is False where none of them is known to have `links`.
    """
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
        links=_links(entries) if linked else {},
    )
    return encode_columns("leaf", columns), locations.encode()
