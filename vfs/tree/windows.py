"""What lies in a window of rows: the chunks of its small files, to be fetched ahead, and its directories."""

from __future__ import annotations

from bisect import bisect_left

import msgspec

from vfs.model.entry import BlobRef, ChunkList, Kind
from vfs.tree.leaf import Leaf
from vfs.tree.tree import Tree


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
