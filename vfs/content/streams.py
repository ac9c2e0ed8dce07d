"""Streams and sparse files as sequences of chunks and holes, with the digest of the whole on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from blake3 import blake3

from vfs.content.chunker import Read, cut
from vfs.content.limits import MIB
from vfs.errors import LocalIOError
from vfs.model.entry import ChunkList
from vfs.model.ids import Digest

# Big enough that BLAKE3 can use several threads, small enough to stop between two.
_ZEROS = bytes(16 * MIB)


class StreamResult(msgspec.Struct, frozen=True):
    """What became of a stream: BLAKE3 of all of it, its size in bytes, its content for an entry."""

    digest: Digest
    size: int
    content: bytes | ChunkList


class Data(msgspec.Struct, frozen=True):
    """A part of a sparse file that has bytes: `length` of them, to be had from `read(n)`."""

    length: int
    read: Read


class Hole(msgspec.Struct, frozen=True):
    """A part of a sparse file that reads as `length` zero bytes and is stored nowhere."""

    length: int


Segment = Data | Hole


def read_head(read: Read, size: int) -> bytes:
    """The first `size` bytes of a stream; fewer only at its end."""
    pieces, left = [], size
    while left and (piece := read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def resumed(head: bytes, read: Read) -> Read:
    """A stream that gives `head` first."""
    rest = memoryview(head)

    def read_on(size: int) -> bytes:
        nonlocal rest
        if not rest:
            return read(size)
        piece, rest = bytes(rest[:size]), rest[size:]
        return piece

    return read_on


class Hashed:
    """Passes chunks and holes on and hashes the file they make. One use, one thread.

    A file of one chunk is not hashed twice: its digest is that of the chunk, so the hashing begins
    with the second part.
    """

    def __init__(self, *, threads: bool = False) -> None:
        """With `threads` BLAKE3 uses all cores: for long holes, whose zeros cost nothing but the hashing."""
        self.size = 0
        self._hasher = blake3(max_threads=blake3.AUTO if threads else 1)
        self._first: bytes | None = None
        self._parts = 0

    def digest(self, first_chunk: Digest) -> Digest:
        """BLAKE3 of the whole; `first_chunk` is the digest of the first chunk."""
        return first_chunk if self._first is not None and self._parts == 1 else self._hasher.digest()

    def parts(self, parts: Iterable[bytes | Hole]) -> Iterator[bytes | Hole]:
        """`parts`, in order, each counted and hashed before it is passed on."""
        for part in parts:
            self._parts += 1
            if isinstance(part, Hole):
                self._settle()
                self._zeros(part.length)
            elif self._parts == 1:
                self._first = part
            else:
                self._settle()
                self._hasher.update(part)
            self.size += part.length if isinstance(part, Hole) else len(part)
            yield part

    def _settle(self) -> None:
        if self._first is not None:
            self._hasher.update(self._first)
            self._first = None

    def _zeros(self, length: int) -> None:
        while length > 0:
            self._hasher.update(memoryview(_ZEROS)[:length])
            length -= len(_ZEROS)


def sparse_parts(segments: Iterable[Segment]) -> Iterator[bytes | Hole]:
    """The chunks and holes of a sparse file; neighbouring holes are one. LocalIOError when a part is short."""
    waiting = 0
    for segment in segments:
        if isinstance(segment, Hole):
            waiting += segment.length
        elif segment.length:
            yield from _holes(waiting)
            waiting = 0
            yield from cut(_exactly(segment))
    yield from _holes(waiting)


def _holes(length: int) -> Iterator[Hole]:
    return iter((Hole(length),) if length else ())


def _exactly(segment: Data) -> Read:
    left = segment.length

    def read(size: int) -> bytes:
        nonlocal left
        if not left:
            return b""
        piece = segment.read(min(size, left))
        if not piece:
            raise LocalIOError(f"file being read: it ended {left} bytes early; it was cut while it was read")
        left -= len(piece)
        return piece

    return read
