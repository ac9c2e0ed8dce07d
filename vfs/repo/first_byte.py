"""Where two contents part: the first byte that differs. What is known to be equal is not read from the store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from vfs.content.limits import CHUNK_MAX
from vfs.content.reader import FileReader
from vfs.errors import Corrupt
from vfs.model.entry import BlobRef, Entry
from vfs.model.ids import digest_of
from vfs.model.names import printable

_STEP = 1 << 20


def first_difference(a: Iterable[bytes], b: Iterable[bytes]) -> int | None:
    """The offset of the first byte that differs between two streams, the length of the shorter if it begins the longer.

    None when they are equal. The pieces of the two need not be of one size.
    """
    streams = iter(a), iter(b)
    rests = b"", b""
    at = 0
    while True:
        left, right = (rest or next(stream, b"") for rest, stream in zip(rests, streams, strict=True))
        length = min(len(left), len(right))
        if not length:
            return at if left or right else None
        if left[:length] != right[:length]:
            return at + _first(left, right, length)
        at += length
        rests = left[length:], right[length:]


def first_byte(files: FileReader, a: Entry, b: Entry) -> int | None:
    """As `first_difference`, of two files in the store; the chunks that both begin with are not read."""
    at = _common(files, a, b)
    return _after(at, first_difference(_from(files, a, at), _from(files, b, at)))


def first_byte_of_file(files: FileReader, entry: Entry, fd: int) -> int | None:
    """As `first_byte`, of a file in the store and an open one, which is read once, from its start.

    Chunks are told by their digests, so of the stored file at most the one is read in which they part. OSError.
    """
    if isinstance(entry.content, bytes):
        return first_difference([files.read(entry, 0, entry.size)], _pieces(fd))
    at = 0
    for ref in files.chunks(entry):
        parted = _in_hole(fd, ref.length) if ref.is_hole else _in_chunk(files, entry, at, ref, fd)
        if parted is not None:
            return at + parted
        at += ref.length
    return at if os.read(fd, 1) else None


def _in_chunk(files: FileReader, entry: Entry, at: int, ref: BlobRef, fd: int) -> int | None:
    if ref.length > CHUNK_MAX:
        raise Corrupt(f"{printable(entry.path)}: a chunk of {ref.length} bytes, {CHUNK_MAX} allowed")
    data = b"".join(_pieces(fd, ref.length))
    if digest_of(data) == ref.digest:
        return None
    return first_difference([files.read(entry, at, ref.length)], [data])


def _in_hole(fd: int, length: int) -> int | None:
    """The first of the next `length` bytes that is not zero, or where the file ends before."""
    done = 0
    for piece in _pieces(fd, length):
        if any(piece):
            return done + len(piece) - len(piece.lstrip(b"\0"))
        done += len(piece)
    return None if done == length else done


def _pieces(fd: int, length: int | None = None) -> Iterator[bytes]:
    """What follows in an open file, at most `length` bytes of it."""
    left = length
    while left != 0 and (piece := os.read(fd, _STEP if left is None else min(left, _STEP))):
        left = None if left is None else left - len(piece)
        yield piece


def _after(start: int, found: int | None) -> int | None:
    return None if found is None else start + found


def _common(files: FileReader, a: Entry, b: Entry) -> int:
    """Bytes of the equal chunks that both files begin with."""
    at = 0
    for left, right in zip(files.chunks(a), files.chunks(b), strict=False):
        if (left.digest, left.length) != (right.digest, right.length):
            break
        at += left.length
    return at


def _from(files: FileReader, entry: Entry, at: int) -> Iterator[bytes]:
    while data := files.read(entry, at, _STEP):
        yield data
        at += len(data)


def _first(a: bytes, b: bytes, length: int) -> int:
    """The first place below `length` where two pieces differ, known to be there: halved until it is found."""
    low = 0
    while length - low > 1:
        middle = (low + length) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            length = middle
    return low
