"""Large files and files with holes: from a descriptor to a writer, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from vfs.content.streams import Data, Hole, Segment, StreamResult
from vfs.content.writer import ContentWriter
from vfs.repo.progress import Progress
from vfs.repo.stable import Changed

_BLOCK = 512


def may_have_holes(status: os.stat_result) -> bool:
    """True when the file has fewer blocks on disk than its size would take."""
    return status.st_blocks * _BLOCK < status.st_size


def stream_file(writer: ContentWriter, progress: Progress | None, fd: int, status: os.stat_result) -> StreamResult:
    """Store the content of an open file, its holes kept; `Changed` when it shrinks meanwhile, OSError."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    read = _reader(fd, progress)
    if may_have_holes(status) and os.lseek(fd, 0, os.SEEK_HOLE) < status.st_size:
        return writer.put_sparse(_segments(fd, status.st_size, read))
    os.lseek(fd, 0, os.SEEK_SET)
    return writer.put_stream(read)


def _reader(fd: int, progress: Progress | None) -> Callable[[int], bytes]:
    def read(size: int) -> bytes:
        data = os.read(fd, size)
        if progress is not None:
            progress.advance(len(data), 0)
        return data

    return read


def _segments(fd: int, size: int, read: Callable[[int], bytes]) -> Iterator[Segment]:
    """The data and the holes of a file; the descriptor stands at the start of each part of data."""
    at = 0
    while at < size:
        start = _next_data(fd, at, size)
        if start > at:
            yield Hole(start - at)
        if start >= size:
            return
        at = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        os.lseek(fd, start, os.SEEK_SET)
        yield Data(at - start, _whole(read))


def _whole(read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """`read` for a part that is known to have bytes: an early end means that the file was cut."""

    def read_some(size: int) -> bytes:
        data = read(size)
        if not data:
            raise Changed
        return data

    return read_some


def _next_data(fd: int, at: int, size: int) -> int:
    try:
        return min(os.lseek(fd, at, os.SEEK_DATA), size)
    except OSError:
        # ENXIO: no data from here to the end.
        return size
