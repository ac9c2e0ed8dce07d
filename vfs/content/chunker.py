"""Where files are cut: FastCDC (2020, normalisation 1) with 256 KiB, 1 MiB and 4 MiB as minimum, average and maximum.

The cuts depend on the bytes alone, so a changed byte changes one or two chunks, and on nothing about
how the stream was read. They are not part of the format: a reader never cuts. Other cuts only
cost deduplication against what is stored already, and a test holds the present ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pyfastcdc import FastCDC

from vfs.content.limits import CHUNK_AVERAGE, CHUNK_MAX, CHUNK_MIN
from vfs.errors import Refused

Read = Callable[[int], bytes]


def _chunker() -> FastCDC:
    """A chunker of our parameters. Not shared: one is not safe for two threads."""
    if "pyfastcdc.cy" not in FastCDC.__module__:
        raise Refused("pyfastcdc: its compiled part is missing and the fallback cuts 8 MB a second; install its wheel")
    return FastCDC(CHUNK_AVERAGE, min_size=CHUNK_MIN, max_size=CHUNK_MAX, normalized_chunking=1)


class _Stream:
    """A read function in the shape the chunker asks for; a read that returns too much is refused by the copy."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def readinto(self, target: memoryview) -> int:
        piece = self._read(len(target))
        target[: len(piece)] = piece
        return len(piece)


def cut(read: Read) -> Iterator[bytes]:
    """The chunks of a stream, in order. `read(n)` gives up to `n` bytes, b"" at the end and only there."""
    for chunk in _chunker().cut_stream(_Stream(read)):
        yield bytes(chunk.data)


def cut_bytes(data: bytes) -> Iterator[bytes]:
    """The chunks of `data`: the same as `cut` of any stream of it."""
    if len(data) <= CHUNK_MIN:
        yield from (data,) if data else ()
        return
    for chunk in _chunker().cut_buf(data):
        yield bytes(chunk.data)
