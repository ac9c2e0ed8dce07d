"""Reading ahead in an order that is known: the one in which an earlier run read the same paths.

What was brought may be answered by the kernel alone, so the reader's progress shows only where it meets a file that
was left out. Paths are looked up in the tree that is mounted now: one that is not there any more is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from vfs.model.entry import BlobRef, ChunkList, Kind
from vfs.tree.tree import Tree
from vfs.tree.windows import Found

MIB = 1 << 20
# Fetched before anything is read: what a run that turns out to be another one costs.
FIRST_WINDOW = 256 * 1024
WINDOW_MAX = 16 * MIB
# Paths looked up for one window: bounds the work where files are empty or lie inline.
PATHS_MAX = 4096
# Files out of turn that are in order still: several processes, threads, a reader faster than the store.
NEAR = 32
# Reads that do not follow beyond those that do, and it is given up.
PATIENCE = 8


class Turn(msgspec.Struct, frozen=True):
    """Fetch the files at `paths`, some `size` bytes of them; the first is number `position` of the order."""

    position: int
    paths: list[bytes]
    size: int


class Replay:
    """How far a reader has come in a known order. Not thread-safe: belongs to the event loop.

    It has come to before `_at`; up to before `_ahead` files were fetched for it, of `_mean` bytes each. A read follows
    when it is of a file not further than `NEAR` behind what was fetched. What it passed over in what was fetched
    was read unseen, and followed too. With `PATIENCE` more reads that do not follow than reads that do, it is over.
    """

    def __init__(self, paths: Sequence[bytes]) -> None:
        """`paths`, each once, in the order in which they were read."""
        self._paths = paths
        self._numbers = {path: number for number, path in enumerate(paths)}
        self._at = self._ahead = 0
        self._mean = 0.0
        self._window = FIRST_WINDOW
        self._followed = self._strayed = 0
        self._asked: Turn | None = None

    @property
    def over(self) -> bool:
        """Nothing more comes of it: it was read to its end, or is not followed."""
        return self._at >= len(self._paths) or self._strayed > self._followed + PATIENCE

    def note(self, path: bytes, *, waited: bool) -> bool:
        """The file at `path` is being read; whether in turn. `waited`: its content was not in memory."""
        number = self._numbers.get(path)
        if number is None or number >= max(self._ahead, self._at) + NEAR:
            self._strayed += 1
            return False
        if number < self._at - NEAR:
            # Read once more, or by the last of several processes; what did not stay in memory is others' business.
            return not waited
        self._followed += 1 + max(min(number, self._ahead) - self._at, 0)
        self._at = max(self._at, number + 1)
        return True

    def next(self) -> Turn | None:
        """What to fetch now, if anything; before the first read, too."""
        start = max(self._ahead, self._at)
        left = (start - self._at) * self._mean
        if self.over or self._asked or start >= len(self._paths) or left >= self._window / 2:
            return None
        self._asked = Turn(start, list(self._paths[start : start + PATHS_MAX]), self._window)
        return self._asked

    def fetched(self, turn: Turn, end: int, size: int) -> None:
        """The files from `turn.position` to before `end`, `size` bytes, are on their way; none: it failed."""
        if self._asked is not turn:
            return
        self._asked = None
        if end > turn.position:
            self._ahead = end
            self._mean = size / (end - turn.position)
            self._window = min(2 * self._window, WINDOW_MAX)


def gather_turn(tree: Tree, turn: Turn) -> Found:
    """What the files of `turn` consist of, in their order; `end` is a number of the order. May wait for pages.

    Of a file of several chunks only the first is taken: the rest follows when it is read.
    """
    refs: list[BlobRef] = []
    files: list[tuple[int, BlobRef]] = []
    size = taken = 0
    for path in turn.paths:
        if size >= turn.size:
            break
        taken += 1
        found = tree.locate(path)
        if found is None:
            continue
        row, entry = found
        if entry.kind is not Kind.FILE or not isinstance(entry.content, ChunkList) or entry.content.level:
            continue
        ref = entry.content.refs[0]
        if ref.is_hole:
            continue
        refs.append(ref)
        size += ref.length
        if len(entry.content.refs) == 1:
            files.append((row, ref))
    return Found(refs, files, turn.position + taken, size)
