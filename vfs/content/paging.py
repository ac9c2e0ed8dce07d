"""Long chunk lists: lists of more than 256 references lie in pages, and pages of pages.

A list is cut into pages after a reference whose digest begins with a zero byte, once the page has 64
references, and after 1,024 at the latest. The cuts depend on the references alone, so an append to
a file rewrites the last page of each level and an insertion the pages around it. Layout of a page::

    logical     msgpack array: level (0: chunks, n: pages of level n - 1), digests (32 n bytes; 32 zero
                bytes for a hole), lengths (n of u64le: bytes of the file that each reference covers)
    location    msgpack array: packs (16 n bytes), offsets (n of u64le), stored (n of u32le), raw lengths (n of u32le,
                only for level > 0: the raw bytes of each page; empty for level 0); zeros for a hole
"""

from __future__ import annotations

from collections.abc import Callable
from struct import pack as pack_numbers
from struct import unpack as unpack_numbers

import msgspec

from vfs.content.limits import check_ref, place
from vfs.content.page import Page
from vfs.errors import Corrupt
from vfs.model.entry import BlobRef, ChunkList
from vfs.model.ids import DIGEST_SIZE, PACK_ID_SIZE
from vfs.model.wire import decode

# A list up to this long lies in the entry itself.
LIST_MAX = 256
PAGE_MIN = 64
PAGE_MAX_REFS = 1024
# 1,024 references a page: level 3 covers 10^12 chunks.
LEVEL_MAX = 7

_NO_DIGEST = bytes(DIGEST_SIZE)
_NO_PACK = bytes(PACK_ID_SIZE)
PutPage = Callable[[bytes, bytes], BlobRef]


class _Logical(msgspec.Struct, frozen=True, array_like=True):
    level: int
    digests: bytes
    lengths: bytes


class _Location(msgspec.Struct, frozen=True, array_like=True):
    packs: bytes
    offsets: bytes
    stored: bytes
    raw: bytes


_logical = msgspec.msgpack.Decoder(_Logical)
_location = msgspec.msgpack.Decoder(_Location)


class ListWriter:
    """Builds the chunk list of one file from its references, in order, in bounded memory.

    At most 1,024 references a level wait here; what is cut is written as a page at once.
    """

    def __init__(self, put_page: PutPage, *, level: int = 0) -> None:
        self._put_page = put_page
        self._level = level
        self._refs: list[BlobRef] = []
        self._spans: list[int] = []
        self._seen = 0
        self._above: ListWriter | None = None

    def add(self, ref: BlobRef, span: int) -> None:
        """Append a reference that covers `span` bytes of the file."""
        self._refs.append(ref)
        self._spans.append(span)
        if self._above is not None or len(self._refs) > LIST_MAX:
            self._cut()

    def finish(self) -> ChunkList:
        """The list; its pages are written."""
        if self._above is None:
            return ChunkList(tuple(self._refs), self._level, tuple(self._spans) if self._level else ())
        if self._refs:
            self._emit(len(self._refs), self._above)
        return self._above.finish()

    def _cut(self) -> None:
        if self._above is None:
            self._above = ListWriter(self._put_page, level=self._level + 1)
        while self._seen < len(self._refs):
            self._seen += 1
            if _ends_page(self._refs[self._seen - 1], self._seen):
                self._emit(self._seen, self._above)

    def _emit(self, count: int, above: ListWriter) -> None:
        refs, spans = self._refs[:count], self._spans[:count]
        del self._refs[:count], self._spans[:count]
        self._seen = 0
        above.add(self._put_page(*encode_list(refs, spans, level=self._level)), sum(spans))


def _ends_page(ref: BlobRef, count: int) -> bool:
    return count >= PAGE_MAX_REFS or (count >= PAGE_MIN and ref.digest[:1] == b"\0")


def encode_list(refs: list[BlobRef], spans: list[int], *, level: int) -> tuple[bytes, bytes]:
    """The logical and the location part of a page that holds `refs`."""
    n = len(refs)
    logical = _Logical(
        level=level,
        digests=b"".join(ref.digest or _NO_DIGEST for ref in refs),
        lengths=pack_numbers(f"<{n}Q", *spans),
    )
    location = _Location(
        packs=b"".join(ref.pack or _NO_PACK for ref in refs),
        offsets=pack_numbers(f"<{n}Q", *(ref.offset for ref in refs)),
        stored=pack_numbers(f"<{n}I", *(ref.stored for ref in refs)),
        raw=pack_numbers(f"<{n}I", *(ref.length for ref in refs)) if level else b"",
    )
    return msgspec.msgpack.encode(logical), msgspec.msgpack.encode(location)


def decode_list(page: Page, ref: BlobRef, *, level: int) -> ChunkList:
    """The list of level `level` in the page at `ref`; Corrupt naming its place when it is none."""
    what = f"{place(ref)}: chunk list"
    logical = decode(_logical, page.logical, what=what)
    location = decode(_location, page.location, what=what)
    if logical.level != level:
        raise Corrupt(f"{place(ref)}: chunk list of level {logical.level}, {level} expected")
    n = len(logical.lengths) // 8
    sizes = (len(logical.digests), len(logical.lengths), len(location.packs), len(location.offsets))
    rest = (len(location.stored), len(location.raw))
    if not 0 < n <= PAGE_MAX_REFS or sizes != (32 * n, 8 * n, 16 * n, 8 * n) or rest != (4 * n, 4 * n if level else 0):
        raise Corrupt(f"{place(ref)}: the columns of its chunk list do not fit together")
    return _list(logical, location, n)


def _list(logical: _Logical, location: _Location, n: int) -> ChunkList:
    spans = unpack_numbers(f"<{n}Q", logical.lengths)
    raw = unpack_numbers(f"<{n}I", location.raw) if logical.level else spans
    offsets = unpack_numbers(f"<{n}Q", location.offsets)
    stored = unpack_numbers(f"<{n}I", location.stored)
    # One object for each pack, not for each reference: these lists are cached.
    packs: dict[bytes, bytes] = {}
    refs = tuple(
        _ref(
            BlobRef(
                logical.digests[DIGEST_SIZE * i : DIGEST_SIZE * (i + 1)],
                raw[i],
                packs.setdefault(pack := location.packs[PACK_ID_SIZE * i : PACK_ID_SIZE * (i + 1)], pack),
                offsets[i],
                stored[i],
            ),
            hole_allowed=not logical.level,
        )
        for i in range(n)
    )
    return ChunkList(refs, logical.level, spans if logical.level else ())


def _ref(ref: BlobRef, *, hole_allowed: bool) -> BlobRef:
    if hole_allowed and ref.digest == _NO_DIGEST:
        return hole(ref.length)
    return check_ref(ref)


def hole(length: int) -> BlobRef:
    """The reference that stands for `length` zero bytes stored nowhere."""
    return BlobRef(b"", length, b"", 0, 0)
