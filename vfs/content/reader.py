"""Reads files: any range of an entry's content, touching only the chunks and list pages it needs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain

import msgspec

from vfs.concurrency.pool import ordered_map
from vfs.content.blobs import Blobs
from vfs.content.jumps import Jumps
from vfs.content.limits import CHUNK_MAX, MIB, place
from vfs.content.lru import ByteLRU
from vfs.content.paging import LEVEL_MAX, decode_list
from vfs.errors import Corrupt
from vfs.model.entry import BlobRef, ChunkList, Entry
from vfs.model.names import printable

# Decoded list pages that are kept, and bytes of Python objects for each reference: the lists of 150 GB of files.
LISTS = 32 * MIB
_REF_SIZE = 280
# Bytes of one step of a stream, and how many steps are read ahead.
STEP = 8 * MIB
AHEAD = 3


class _Piece(msgspec.Struct, frozen=True, gc=False):
    """`length` bytes from `skip` of one chunk or hole."""

    ref: BlobRef
    skip: int
    length: int


class _Spans(msgspec.Struct, frozen=True):
    """A chunk list with where each of its references ends, in bytes from the start of the list."""

    list: ChunkList
    ends: tuple[int, ...]


class FileReader:
    """Files by entry. Thread-safe. Holds decoded chunk lists, bounded in bytes; the chunks are held by `Blobs`.

    Invariant: a read gives the bytes of the entry or fails; sizes that contradict each other are Corrupt.
    """

    def __init__(self, blobs: Blobs, *, lists: int = LISTS) -> None:
        self._blobs = blobs
        self._lists: ByteLRU[BlobRef | int, _Spans] = ByteLRU(lists)
        self._jumps = Jumps()

    def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` of a file; short only at its end."""
        data = self.view(entry, offset, length)
        return data if isinstance(data, bytes) else bytes(data)

    def view(self, entry: Entry, offset: int, length: int) -> bytes | memoryview:
        """As `read`, and without a copy of what lies in one chunk: its chunk is in memory as long as what is returned.

        A small read that stands alone (see jumps) takes no more of a chunk than it must; others have whole
        chunks put into memory, for the reads that follow.
        """
        start, end = min(offset, entry.size), min(offset + length, entry.size)
        if start >= end:
            return b""
        content = self._content(entry)
        if isinstance(content, bytes):
            return content[start:end]
        pieces = list(self._pieces(self._top(entry, content), start, end))
        parts = self._lone_parts(pieces) if self._jumps.lone(entry.digest, start, end) else None
        if parts is None:
            chunks = self._chunks([piece.ref for piece in pieces])
            parts = [_view_of(piece, chunks) for piece in pieces]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def chunks(self, entry: Entry) -> Iterator[BlobRef]:
        """The chunks and holes of a file, in order; none for one that lies inline."""
        content = self._content(entry)
        if not isinstance(content, bytes) and entry.size:
            for piece in self._pieces(self._top(entry, content), 0, entry.size):
                yield piece.ref

    def refs(self, entry: Entry, start: int, end: int) -> list[BlobRef]:
        """The chunks that hold the bytes `start` to `end`, holes left out; may wait for list pages."""
        content = self._content(entry)
        if isinstance(content, bytes) or not entry.size:
            return []
        pieces = self._pieces(self._top(entry, content), start, min(end, entry.size))
        return [piece.ref for piece in pieces if not _is_hole(piece.ref)]

    def stream(self, entry: Entry) -> Iterator[bytes]:
        """The content of a file in pieces of up to a few MiB, read ahead; nothing for an empty one."""
        content = self._content(entry)
        if isinstance(content, bytes):
            yield from (content,) if content else ()
            return
        steps = _steps(self._pieces(self._top(entry, content), 0, entry.size))
        for part in ordered_map(self._step, steps, workers=AHEAD, ahead=AHEAD):
            yield from part

    def _lone_parts(self, pieces: Sequence[_Piece]) -> list[bytes | memoryview] | None:
        """The bytes of pieces, each without the rest of its chunk; None when that is not possible for all of them."""
        parts: list[bytes | memoryview] = []
        for piece in pieces:
            if _is_hole(piece.ref):
                parts.append(bytes(piece.length))
                continue
            part = self._blobs.part(piece.ref, piece.skip, piece.length)
            if part is None:
                return None
            parts.append(part)
        return parts

    def _step(self, pieces: Sequence[_Piece]) -> list[bytes]:
        chunks = self._chunks([piece.ref for piece in pieces])
        return [_cut_out(piece, chunks) for piece in pieces]

    def _chunks(self, refs: Sequence[BlobRef]) -> dict[BlobRef, bytes]:
        wanted = [ref for ref in refs if not _is_hole(ref)]
        if len(wanted) == 1:
            return {wanted[0]: self._blobs.get(wanted[0])}
        return dict(zip(wanted, self._blobs.get_many(wanted), strict=True))

    def _content(self, entry: Entry) -> bytes | ChunkList:
        if isinstance(entry.content, bytes) and len(entry.content) != entry.size:
            raise Corrupt(f"{printable(entry.path)}: {len(entry.content)} bytes of content, {entry.size} expected")
        return entry.content

    def _top(self, entry: Entry, content: ChunkList) -> _Spans:
        # By identity: what is cached holds the list, so no other object has its id.
        spans = self._lists.get(id(content)) if len(content.refs) > 1 else None
        if spans is None:
            spans = _with_ends(content, printable(entry.path))
            if len(content.refs) > 1:
                self._lists.put(id(content), spans, len(spans.ends) * _REF_SIZE)
        if spans.ends[-1:] != (entry.size,) or not 0 <= content.level <= LEVEL_MAX:
            raise Corrupt(f"{printable(entry.path)}: its chunks do not add up to its {entry.size} bytes")
        return spans

    def _pieces(self, spans: _Spans, start: int, end: int) -> Iterator[_Piece]:
        """The parts of chunks that make up the bytes `start` to `end` of a list."""
        refs, level = spans.list.refs, spans.list.level
        for i in range(bisect_right(spans.ends, start), len(refs)):
            begin = spans.ends[i - 1] if i else 0
            if begin >= end:
                return
            low, high = max(start, begin) - begin, min(end, spans.ends[i]) - begin
            if level:
                yield from self._pieces(self._below(refs[i], level - 1, spans.ends[i] - begin), low, high)
            else:
                yield _Piece(refs[i], low, high - low)

    def _below(self, ref: BlobRef, level: int, span: int) -> _Spans:
        spans = self._lists.get(ref)
        if spans is None:
            spans = _with_ends(decode_list(self._blobs.get_page(ref), ref, level=level), place(ref))
            self._lists.put(ref, spans, len(spans.ends) * _REF_SIZE)
        if spans.list.level != level or spans.ends[-1] != span:
            raise Corrupt(f"{place(ref)}: chunk list covers {spans.ends[-1]} bytes, {span} expected")
        return spans


def _with_ends(chunks: ChunkList, what: str) -> _Spans:
    lengths = chunks.lengths()
    if not lengths or len(lengths) != len(chunks.refs) or min(lengths) <= 0:
        raise Corrupt(f"{what}: chunk list is empty, or its {len(lengths)} lengths are not those of its references")
    return _Spans(chunks, tuple(accumulate(lengths)))


def _is_hole(ref: BlobRef) -> bool:
    """By the digest, which belongs to the identity of a list, and never by the location, which does not."""
    return not ref.digest


def _cut_out(piece: _Piece, chunks: dict[BlobRef, bytes]) -> bytes:
    if _is_hole(piece.ref):
        return bytes(piece.length)
    chunk = chunks[piece.ref]
    return chunk if piece.length == len(chunk) else chunk[piece.skip : piece.skip + piece.length]


def _view_of(piece: _Piece, chunks: dict[BlobRef, bytes]) -> bytes | memoryview:
    if _is_hole(piece.ref):
        return bytes(piece.length)
    chunk = chunks[piece.ref]
    return chunk if piece.length == len(chunk) else memoryview(chunk)[piece.skip : piece.skip + piece.length]


def _steps(pieces: Iterator[_Piece]) -> Iterator[list[_Piece]]:
    """`pieces` in groups of some 8 MiB, long holes split."""
    step: list[_Piece] = []
    size = 0
    for piece in chain.from_iterable(map(_split, pieces)):
        step.append(piece)
        size += piece.length
        if size >= STEP:
            yield step
            step, size = [], 0
    if step:
        yield step


def _split(piece: _Piece) -> Iterator[_Piece]:
    if not _is_hole(piece.ref) or piece.length <= CHUNK_MAX:
        yield piece
        return
    for skip in range(piece.skip, piece.skip + piece.length, CHUNK_MAX):
        yield _Piece(piece.ref, skip, min(CHUNK_MAX, piece.skip + piece.length - skip))
