"""The reads of one file, and what they say about the next one.

Up to four interleaved streams are told apart by where they stand. A stream goes forward or backward without gaps, or
by a constant stride. Its window doubles when the reader had to wait for bytes that were guessed too late, and
a reader that jumps about gets nothing: random reads stay exact.
"""

from __future__ import annotations

MIB = 1 << 20
STREAMS = 4
# The kernel reads ahead 128 KiB or 1 MiB at a time and may swap neighbouring requests.
SLACK = MIB
# Two reads so near to each other make a stream. With more, one in a hundred random reads of 1 GiB would begin one.
NEAR = 128 << 10
FIRST_WINDOW = 4 * MIB
# Less than this is not worth a request of its own, unless it is the rest of the file.
STEP = 2 * MIB
# Reads in a row against the direction of a stream before it is taken to have turned.
TURNS = 3
# Strides in a row before one is believed, and how many of them are fetched ahead.
STRIDES, STRIDES_AHEAD = 3, 8

Ranges = list[tuple[int, int]]


class _Stream:
    """One reader's position: `low` and `high` bound what it read, `ahead` is how far was asked in its direction."""

    __slots__ = ("against", "ahead", "high", "last", "low", "way", "window")

    def __init__(self, start: int, end: int) -> None:
        self.low, self.high = start, end
        self.ahead = end
        self.way = 0
        self.last = start
        self.against = 0
        self.window = FIRST_WINDOW

    def meets(self, start: int, end: int) -> int:
        """1 when the read goes on upwards from here, -1 downwards, 0 when it belongs to another stream."""
        # Before the direction is known, the second read decides it: it must lie on one side of the first.
        back, slack = (SLACK, SLACK) if self.way else (0, NEAR)
        if self.way >= 0 and self.high - back <= start <= self.high + slack:
            return 1
        if self.way <= 0 and self.low - slack <= end <= self.low + back:
            return -1
        return 0

    def move(self, start: int, end: int, way: int, waited: bool, limit: int) -> None:
        """Take a read into account that goes on from here."""
        going = 1 if start > self.last else -1
        self.against = 0 if going == way else self.against + 1
        self.last = start
        if self.way == 0 or self.against >= TURNS:
            way = self.way = going if self.way else way
            self.against = 0
            self.ahead = end if way > 0 else start
        elif waited:
            self.window = min(2 * self.window, limit)
        self.low, self.high = (max(self.low, start - SLACK), max(self.high, end)) if way > 0 else (start, end)

    @property
    def enough(self) -> int:
        """Bytes worth fetching at once: half of the window, so that requests grow with it."""
        return max(self.window // 2, STEP)

    def next_range(self, size: int) -> Ranges:
        """What to fetch now, if it is enough to be worth it."""
        if self.way > 0:
            begin, target = max(self.ahead, self.high), min(self.high + self.window, size)
            if target - begin >= self.enough or (target == size and target > begin):
                self.ahead = target
                return [(begin, target)]
        elif self.way < 0:
            end, target = min(self.ahead, self.low), max(self.low - self.window, 0)
            if end - target >= self.enough or (target == 0 and end > 0):
                self.ahead = target
                return [(target, end)]
        return []


class Pattern:
    """The reads of one file. Not thread-safe: belongs to whoever serves the file."""

    def __init__(self) -> None:
        self._streams: list[_Stream] = []
        self._last = 0
        self._stride = 0
        self._strides = 0

    def note(self, offset: int, length: int, size: int, *, waited: bool, limit: int) -> Ranges:
        """One read of `length` bytes; the ranges (start, end) to fetch ahead, at most `limit` bytes of them.

        `waited`: the bytes were not in memory.
        """
        end = min(offset + length, size)
        strides = self._note_stride(offset)
        for place, stream in enumerate(self._streams):
            way = stream.meets(offset, end)
            if way:
                self._streams.insert(0, self._streams.pop(place))
                stream.move(offset, end, way, waited, limit)
                return stream.next_range(size)
        self._streams.insert(0, _Stream(offset, end))
        del self._streams[STREAMS:]
        return self._along_stride(offset, length, size) if strides else []

    @property
    def streams(self) -> int:
        """How many streams are known to go somewhere."""
        return sum(1 for stream in self._streams if stream.way)

    def _note_stride(self, offset: int) -> bool:
        stride, self._last = offset - self._last, offset
        self._strides = self._strides + 1 if stride and stride == self._stride else 0
        self._stride = stride
        return self._strides >= STRIDES

    def _along_stride(self, offset: int, length: int, size: int) -> Ranges:
        starts = [offset + self._stride * n for n in range(1, STRIDES_AHEAD + 1)]
        return [(start, min(start + length, size)) for start in starts if 0 <= start < size]
