"""Reading ahead across files: from the small files that were read to those that will be.

Packs hold small files in tree order, so what comes next is one range, and one request. Two habits are followed:

- **In order.** A reader that goes through the tree gets a window ahead of it that doubles as it goes on. What was
  brought may be answered by the kernel alone, so its progress shows only where it meets a file that was left out.
- **Shuffled.** Reads scattered over one region of the tree, as by a loader that shuffles its files, bring in the region
  from its start, a multiple of what was read at a time: soon all of it is there; a reader of few files costs little.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from vfs.tree.windows import Wanted

MIB = 1 << 20
# Readers at work in different places of one tree.
STREAMS = 8
# Rows a reader may pass over and still be in order: directories, links, files of another kind.
GAP = 4
# Where several readers share files in order out among them: how far a read may lie before the last one, and beyond it.
# Only once so many were in order: scattered reads are by chance for a while.
BEHIND, BEYOND, SURE = 64, 16, 8
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


class _Range:
    """Rows that were fetched; `there`: they have come, or will not."""

    __slots__ = ("end", "start", "there", "wanted")

    def __init__(self, wanted: Wanted, end: int) -> None:
        self.wanted = wanted
        self.start, self.end = wanted.row, end
        self.there = False

    def has(self, row: int) -> bool:
        return self.start <= row < self.end


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

    def goes_on(self, row: int) -> bool:
        """Whether a read goes on from here, or from what was fetched and may have been read unseen."""
        return self.row < row < max(self.row + 1, self.ahead) + (BEYOND if self.run >= SURE else GAP)

    def lags(self, row: int) -> bool:
        """Whether a read belongs here although a later file was read before it."""
        return self.run >= SURE and self.row - BEHIND <= row <= self.row

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

    def note(self, size: int) -> None:
        self.reads += 1
        self.read += size

    def sweep(self) -> Wanted | None:
        """What to fetch of it now."""
        allowed = min(SHARE * self.read - self.swept, WINDOW_MAX)
        if self.asked or self.reads < SCATTERED or allowed < SWEEP_MIN or self.row >= self.end:
            return None
        self.asked = Wanted(self.row, allowed, self.end)
        return self.asked


class Neighbours:
    """The order in which the small files of one tree are read. Not thread-safe: belongs to the event loop."""

    def __init__(self) -> None:
        self._streams: list[_Stream] = []
        self._fetched: deque[_Range] = deque(maxlen=RANGES)
        self._asked: set[int] = set()
        self._regions: OrderedDict[int, _Region] = OrderedDict()

    def note(self, row: int, size: int, *, waited: bool) -> Wanted | None:
        """The file of `row`, of `size` bytes, is being read; what to fetch now, if anything.

        `waited`: its content was not in memory.
        """
        if waited:
            self._forget(row)
        stream = self._stream(row, size)
        if stream.run < RUN:
            region = self._region(row, waited=waited)
            region.row = self._beyond(region.row)
            region.note(size)
            return None if region.row in self._asked else self._ask(region.sweep())
        if stream.asked or row < stream.pause or stream.left >= stream.window:
            return None
        self._pass_over(stream)
        # Where several readers are in one place, one of them asks.
        if stream.left >= stream.window or stream.ahead in self._asked:
            return None
        stream.asked = Wanted(stream.ahead, stream.window, stream.ahead + ROWS_MAX)
        return self._ask(stream.asked)

    def _ask(self, wanted: Wanted | None) -> Wanted | None:
        if wanted is not None:
            self._asked.add(wanted.row)
        return wanted

    def fetched(self, wanted: Wanted, end: int, size: int) -> None:
        """The files from `wanted.row` up to before `end`, `size` bytes, are on their way: until `arrived` is told.

        None: it failed, or the tree ends there; it is asked for again later.
        """
        self._asked.discard(wanted.row)
        if end > wanted.row:
            self._fetched.append(_Range(wanted, end))
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

    def arrived(self, wanted: Wanted) -> None:
        """What `fetched` said to be on its way is there, or does not come."""
        for fetched in self._fetched:
            if fetched.wanted is wanted:
                fetched.there = True

    def _forget(self, row: int) -> None:
        """What was fetched around `row` and had come is no longer in memory."""
        kept = (fetched for fetched in self._fetched if not (fetched.there and fetched.has(row)))
        self._fetched = deque(kept, maxlen=RANGES)

    def _is_coming(self, row: int) -> bool:
        return any(not fetched.there and fetched.has(row) for fetched in self._fetched)

    def _beyond(self, row: int) -> int:
        """The first row from `row` on that was not fetched."""
        for fetched in sorted(self._fetched, key=lambda fetched: fetched.start):
            if fetched.has(row):
                row = fetched.end
        return row

    def _pass_over(self, stream: _Stream) -> None:
        """Go past what was fetched for another reader; it counts as a window that is there."""
        for fetched in sorted(self._fetched, key=lambda fetched: fetched.start):
            if fetched.has(stream.ahead):
                stream.mean = max(stream.mean, stream.window / (fetched.end - fetched.start))
                stream.ahead = fetched.end

    def _stream(self, row: int, size: int) -> _Stream:
        for place, stream in enumerate(self._streams):
            if stream.goes_on(row):
                self._streams.insert(0, self._streams.pop(place))
                stream.move(row, size)
                return stream
            if stream.lags(row):
                stream.read += size
                return stream
        self._streams.insert(0, _Stream(row))
        self._streams[0].read = size
        del self._streams[STREAMS:]
        return self._streams[0]

    def _region(self, row: int, *, waited: bool) -> _Region:
        number = row // REGION
        region = self._regions.get(number)
        # A region that was swept and is read again from the store did not stay in memory: it begins anew.
        gone = waited and not self._is_coming(row)
        if region is None or (gone and region.row >= region.end and not region.asked):
            region = self._regions[number] = _Region(number * REGION)
            if len(self._regions) > REGIONS:
                self._regions.popitem(last=False)
        self._regions.move_to_end(number)
        return region
