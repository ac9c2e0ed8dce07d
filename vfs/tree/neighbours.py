"""Reading ahead across files: a program that reads small files in the order of the tree will want the next ones.

Packs hold small files in tree order too, so what comes next is one range, and one request.
"""

from __future__ import annotations

from collections import deque

import msgspec

from vfs.model.entry import BlobRef, ChunkList, Kind
from vfs.tree.tree import Tree

MIB = 1 << 20
# Readers at work in different places of one tree.
STREAMS = 8
# Rows a reader may pass over and still be in order: directories, links, files of another kind.
GAP = 4
# Files in order before the next are fetched.
RUN = 2
FIRST_WINDOW = 64 * 1024
# One request on S3; some thousand files of 15 KB.
WINDOW_MAX = 16 * MIB
# Rows looked at for one window: bounds the work where files are empty or lie inline.
ROWS_MAX = 4096
# Ranges of rows remembered as fetched, so that two readers in one place do not both ask for them.
RANGES = 32


class Wanted(msgspec.Struct, frozen=True):
    """Fetch files from `row` on, some `size` bytes of them."""

    row: int
    size: int


class _Stream:
    """One reader in tree order: the row it read last, how many files and bytes it read in order.

    Up to before the row `ahead` files were fetched for it, `left` bytes of them are not read yet.
    """

    __slots__ = ("ahead", "left", "read", "row", "run")

    def __init__(self, row: int) -> None:
        self.row = row
        self.run = 0
        self.read = 0
        self.ahead = row + 1
        self.left = 0

    @property
    def window(self) -> int:
        """Twice what was read in order: a guess that fails wastes no more than it could have saved."""
        return min(max(2 * self.read, FIRST_WINDOW), WINDOW_MAX)


class Neighbours:
    """The order in which the small files of one tree are read. Not thread-safe: belongs to the event loop."""

    def __init__(self) -> None:
        self._streams: list[_Stream] = []
        self._fetched: deque[tuple[int, int]] = deque(maxlen=RANGES)

    def note(self, row: int, size: int, *, waited: bool) -> Wanted | None:
        """The file of `row`, of `size` bytes, is being read; what to fetch now, if anything.

        `waited`: its content was not in memory.
        """
        if waited:
            self._forget(row)
        stream = self._stream(row)
        stream.read += size
        stream.left -= size
        if stream.ahead <= row:
            stream.ahead, stream.left = row + 1, 0
        if stream.run < RUN or stream.left >= stream.window // 2:
            return None
        self._pass_over(stream)
        if stream.left >= stream.window // 2:
            return None
        wanted = Wanted(stream.ahead, stream.window - max(stream.left, 0))
        # Until the rows are known, assume the window is on its way and ask for nothing more.
        stream.left = stream.window
        return wanted

    def fetched(self, wanted: Wanted, end: int, size: int) -> None:
        """The files from `wanted.row` up to before `end`, `size` bytes, are on their way."""
        self._fetched.append((wanted.row, end))
        for stream in self._streams:
            if stream.ahead == wanted.row:
                stream.ahead = end
                stream.left -= max(wanted.size - size, 0)

    def _forget(self, row: int) -> None:
        """What was fetched around `row` is no longer in memory."""
        self._fetched = deque(((a, b) for a, b in self._fetched if not a <= row < b), maxlen=RANGES)

    def _pass_over(self, stream: _Stream) -> None:
        """Go past what was fetched for another reader; it counts as a window that is there."""
        for start, end in sorted(self._fetched):
            if start <= stream.ahead < end:
                stream.ahead, stream.left = end, stream.window

    def _stream(self, row: int) -> _Stream:
        for place, stream in enumerate(self._streams):
            if stream.row < row <= stream.row + GAP:
                stream.row = row
                stream.run += 1
                self._streams.insert(0, self._streams.pop(place))
                return stream
        self._streams.insert(0, _Stream(row))
        del self._streams[STREAMS:]
        return self._streams[0]


def gather(tree: Tree, wanted: Wanted) -> tuple[list[BlobRef], int, int]:
    """The chunks of the files from `wanted.row` on, the row after the last, their bytes; may wait for pages.

    Of a file of several chunks only the first is taken: the rest follows when it is read.
    """
    refs: list[BlobRef] = []
    size, row = 0, wanted.row
    end = min(tree.entries, wanted.row + ROWS_MAX)
    while row < end and size < wanted.size:
        entry = tree.entry_at(row)
        row += 1
        if entry.kind is Kind.FILE and isinstance(entry.content, ChunkList) and not entry.content.level:
            first = entry.content.refs[0]
            if not first.is_hole:
                refs.append(first)
                size += first.length
    return refs, row, size
