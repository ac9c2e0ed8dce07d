"""Which small files are fetched before they are read."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from test_tree_property import PageBag, big_tree

from vfs.tree.neighbours import WINDOW_MAX, Neighbours, gather
from vfs.tree.tree import Tree


def read_in_order(rows: list[int], tree: Tree) -> tuple[list[tuple[int, int]], int]:
    """Read files by row; the row ranges fetched ahead, and how many reads had to wait."""
    neighbours, there, ranges, waits = Neighbours(), set[int](), list[tuple[int, int]](), 0
    for row in rows:
        waited = row not in there
        waits += waited
        wanted = neighbours.note(row, tree.entry_at(row).size, waited=waited)
        if wanted is not None:
            _, end, size = gather(tree, wanted)
            ranges.append((wanted.row, end))
            there.update(range(wanted.row, end))
            neighbours.fetched(wanted, end, size)
    return ranges, waits


@pytest.fixture(scope="module")
def tree() -> Tree:
    bag, _, root = big_tree(30_000)
    assert isinstance(bag, PageBag)
    return Tree(bag, root.ref)


def test_files_in_order_are_fetched_once_and_soon_nobody_waits(tree: Tree) -> None:
    first = tree.locate(b"big/000000")
    assert first is not None
    ranges, waits = read_in_order(list(range(first[0], first[0] + 25_000)), tree)
    assert waits <= 12
    assert all(a[1] <= b[0] for a, b in pairwise(ranges)), "no file is fetched twice"
    assert len(ranges) <= 25_000 // 100


def test_two_readers_in_order_are_told_apart(tree: Tree) -> None:
    pairs = [row for n in range(3000) for row in (100 + n, 20_000 + n)]
    ranges, waits = read_in_order(pairs, tree)
    assert waits <= 24
    assert {start >= 15_000 for start, _ in ranges} == {True, False}


@pytest.mark.parametrize("seed", range(3))
def test_random_order_fetches_next_to_nothing(tree: Tree, seed: int) -> None:
    rows = Random(seed).sample(range(1, tree.entries), 3000)
    ranges, _ = read_in_order(rows, tree)
    assert sum(end - start for start, end in ranges) <= len(rows) // 5


def test_a_shuffled_directory_costs_a_small_multiple_of_what_is_read(tree: Tree) -> None:
    first = tree.locate(b"big/000000")
    assert first is not None
    rows = list(range(first[0], first[0] + 60))
    ranges: list[tuple[int, int]] = []
    for seed in range(20):
        Random(seed).shuffle(rows)
        ranges += read_in_order(rows, tree)[0]
    assert sum(end - start for start, end in ranges) <= 20 * (3 * 60 + 64)


def test_what_was_fetched_for_one_reader_is_not_fetched_for_the_next(tree: Tree) -> None:
    neighbours = Neighbours()
    fetched = 0
    for row in range(100, 1100):
        for reader in (row, row + 37):
            wanted = neighbours.note(reader, tree.entry_at(reader).size, waited=False)
            if wanted is not None:
                _, end, size = gather(tree, wanted)
                fetched += end - wanted.row
                neighbours.fetched(wanted, end, size)
    assert fetched <= 1.5 * 3100


def test_one_window_is_bounded(tree: Tree) -> None:
    neighbours = Neighbours()
    sizes = [wanted.size for row in range(1, 3000) if (wanted := neighbours.note(row, 50_000, waited=True)) is not None]
    assert max(sizes) == WINDOW_MAX
