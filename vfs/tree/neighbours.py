"""Reading ahead across files: from the small files that were read to those that will be.

Packs hold small files in tree order, so what comes next is one range, and one request. Two habits are followed:

- **In order.** A reader that goes through the tree gets a window ahead of it that doubles as it goes on. What was
  brought may be answered by the kernel alone, so its progress shows only where it meets a file that was left out.
- **Shuffled.** Reads scattered over one region of the tree, as by a loader that shuffles its files, bring in the region
  from its start, a multiple of what was read at a time: soon all of it is there; a reader of few files costs little.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict, deque

import msgspec

from vfs.model.entry import BlobRef, ChunkList, Kind
from vfs.tree.leaf import Leaf
from vfs.tree.tree import Tree

MIB = 1 << 20
# Readers at work in different places of one tree.
STREAMS = 8
# Rows a reader may pass over and still be in order: directories, links, files of another kind.
GAP = 4
# Files in order before the next are fetched.
RUN = 2
FIRST_WINDOW = 64 * 1024
# Rows read until what could not be looked at, or was beyond the end of the tree, is asked for again.
PAUSE = 64
# One request on S3; some thousand files of 15 KB.
WINDOW_MAX = 16 * MIB
# Rows looked at for one window: bounds the work where files are empty or lie inline.
ROWS_MAX = 4096
# Ranges of rows remembered as fetched, so that two readers in one place do not both ask for them.
RANGES = 32
# Rows of one region, and regions remembered.
REGION = 4096
REGIONS = 64
# Scattered reads in a region before it is swept, how many bytes are swept for each byte read, and the least at once.
SCATTERED = 4
SHARE = 16
SWEEP_MIN = 256 * 1024


class Wanted(msgspec.Struct, frozen=True):
    """Fetch files from `row` on, some `size` bytes of them, none from `end` on."""

    row: int
    size: int
    end: int


class Found(msgspec.Struct, frozen=True):
    """What a window holds: chunks in tree order, the small files among them by row, the row after the last, bytes.

    `files` are those that the one chunk beside them makes up.
    """

    refs: list[BlobRef]
    files: list[tuple[int, BlobRef]]
    end: int
    size: int


class _Stream:
    """One reader in tree order: the row it read last, how many files and bytes it read in order.

    Up to before the row `ahead` files were fetched for it, of `mean` bytes a row; `asked`: more are on their way.
    Nothing is asked for before the row `pause`.
    """

    __slots__ = ("ahead", "asked", "mean", "pause", "read", "row", "run")

    def __init__(self, row: int) -> None:
        self.row = row
        self.run = 0
        self.read = 0
        self.ahead = row + 1
        self.mean = 0.0
        self.pause = 0
        self.asked: Wanted | None = None

    @property
    def window(self) -> int:
        """What was read in order; up to two of it are ahead of the reader, which a guess that fails wastes."""
        return min(max(self.read, FIRST_WINDOW), WINDOW_MAX)

    @property
    def left(self) -> int:
        """Bytes that are there and not read yet."""
        return int((self.ahead - self.row - 1) * self.mean)

    def move(self, row: int, size: int) -> None:
        """The reader is at `row`: what it passed over was there, and was read unseen."""
        passed = min(row, self.ahead) - self.row - 1
        self.read += size + int(max(passed, 0) * self.mean)
        self.run += 1
        self.row = row
        if self.ahead <= row:
            self.ahead, self.mean = row + 1, 0.0


class _Region:
    """Scattered reads in one range of rows, and how far the range was swept."""

    __slots__ = ("asked", "end", "read", "reads", "row", "swept")

    def __init__(self, row: int) -> None:
        self.row = row
        self.end = row + REGION
        self.reads = self.read = self.swept = 0
        self.asked: Wanted | None = None

    def note(self, size: int) -> Wanted | None:
        self.reads += 1
        self.read += size
        allowed = min(SHARE * self.read - self.swept, WINDOW_MAX)
        if self.asked or self.reads < SCATTERED or allowed < SWEEP_MIN or self.row >= self.end:
            return None
        self.asked = Wanted(self.row, allowed, self.end)
        return self.asked


class Neighbours:
    """The order in which the small files of one tree are read. Not thread-safe: belongs to the event loop."""

    def __init__(self) -> None:
        self._streams: list[_Stream] = []
        self._fetched: deque[tuple[int, int]] = deque(maxlen=RANGES)
        self._regions: OrderedDict[int, _Region] = OrderedDict()

    def note(self, row: int, size: int, *, waited: bool) -> Wanted | None:
        """The file of `row`, of `size` bytes, is being read; what to fetch now, if anything.

        `waited`: its content was not in memory.
        """
        if waited:
            self._forget(row)
        stream = self._stream(row, size)
        if stream.run < RUN:
            return self._region(row, waited=waited).note(size)
        if stream.asked or row < stream.pause or stream.left >= stream.window:
            return None
        self._pass_over(stream)
        if stream.left >= stream.window:
            return None
        stream.asked = Wanted(stream.ahead, stream.window, stream.ahead + ROWS_MAX)
        return stream.asked

    def fetched(self, wanted: Wanted, end: int, size: int) -> None:
        """The files from `wanted.row` up to before `end`, `size` bytes, are on their way.

        None: it failed, or the tree ends there; it is asked for again later.
        """
        self._fetched.append((wanted.row, end))
        for stream in self._streams:
            if stream.asked is wanted:
                stream.asked = None
                stream.ahead = max(stream.ahead, end)
                stream.mean = size / max(end - wanted.row, 1)
                stream.pause = stream.row + PAUSE if end == wanted.row else 0
        for region in self._regions.values():
            if region.asked is wanted:
                region.asked = None
                region.row = max(region.row, end)
                region.swept += size

    def _forget(self, row: int) -> None:
        """What was fetched around `row` is no longer in memory."""
        self._fetched = deque(((a, b) for a, b in self._fetched if not a <= row < b), maxlen=RANGES)

    def _pass_over(self, stream: _Stream) -> None:
        """Go past what was fetched for another reader; it counts as a window that is there."""
        for start, end in sorted(self._fetched):
            if start <= stream.ahead < end:
                stream.mean = max(stream.mean, stream.window / (end - start))
                stream.ahead = end

    def _stream(self, row: int, size: int) -> _Stream:
        for place, stream in enumerate(self._streams):
            if stream.row < row <= max(stream.row + GAP, stream.ahead):
                self._streams.insert(0, self._streams.pop(place))
                stream.move(row, size)
                return stream
        self._streams.insert(0, _Stream(row))
        self._streams[0].read = size
        del self._streams[STREAMS:]
        return self._streams[0]

    def _region(self, row: int, *, waited: bool) -> _Region:
        number = row // REGION
        region = self._regions.get(number)
        # A region that was swept and is read again from the store did not stay in memory: it begins anew.
        if region is None or (waited and region.row >= region.end and not region.asked):
            region = self._regions[number] = _Region(number * REGION)
            if len(self._regions) > REGIONS:
                self._regions.popitem(last=False)
        self._regions.move_to_end(number)
        return region


def gather(tree: Tree, wanted: Wanted) -> Found:
    """What the files from `wanted.row` on consist of; may wait for pages.

    Of a file of several chunks only the first is taken: the rest follows when it is read.
    """
    found: list[tuple[int, BlobRef, bool]] = []
    size, row, end = 0, wanted.row, min(tree.entries, wanted.end)
    while row < end and size < wanted.size:
        first, leaf = tree.run(row)
        for position, ref, alone in _chunks(leaf, row - first, min(end - first, leaf.count)):
            row = first + position + 1
            found.append((row - 1, ref, alone))
            size += ref.length
            if size >= wanted.size:
                break
        else:
            row = first + leaf.count
    refs = [ref for _, ref, _ in found]
    return Found(refs, [(row, ref) for row, ref, alone in found if alone], min(row, end), size)


def nothing(wanted: Wanted) -> Found:
    """The outcome of a window that could not be looked at."""
    return Found([], [], wanted.row, 0)


def directories(tree: Tree, start: int, end: int) -> list[tuple[bytes, int]]:
    """(path, last row) of the directories that hold the rows `start` to before `end`, in order; may wait for pages."""
    found: list[tuple[bytes, int]] = []
    while start < end:
        parent = tree.entry_at(start).parent
        start = _first_outside(tree, parent, start, end)
        found.append((parent, start - 1))
    return found


def _first_outside(tree: Tree, parent: bytes, start: int, end: int) -> int:
    """The first row from `start` on that is not in the directory `parent`: what is in one directory lies together."""
    return start + bisect_left(range(start, end), True, key=lambda row: tree.entry_at(row).parent != parent)


def _chunks(leaf: Leaf, start: int, end: int) -> list[tuple[int, BlobRef, bool]]:
    """(position, chunk, whether it is all of the file) of the files from `start` to before `end`, in order."""
    single = [(position, ref, True) for position, ref in leaf.single_chunks(start, end)]
    others = set(range(start, end)).difference(position for position, _, _ in single)
    for position in others:
        entry = leaf.entry(position)
        if entry.kind is Kind.FILE and isinstance(entry.content, ChunkList) and not entry.content.level:
            ref = entry.content.refs[0]
            if not ref.is_hole:
                single.append((position, ref, False))
    return sorted(single, key=lambda item: item[0])
