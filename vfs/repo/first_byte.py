"""Where two contents part: the first byte that differs, found without reading what is known to be equal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vfs.content.reader import FileReader
from vfs.model.entry import Entry

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
