"""Which small files are fetched before they are read."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from test_tree_property import PageBag, big_tree

from vfs.tree.neighbours import FIRST_WINDOW, PAUSE, REGION, SCATTERED, SHARE, SWEEP_MIN, WINDOW_MAX, Neighbours
from vfs.tree.tree import Tree
from vfs.tree.windows import Wanted, directories, gather, nothing


def read_in_order(rows: list[int], tree: Tree) -> tuple[list[tuple[int, int]], int]:
    """Read files by row; the row ranges fetched ahead, and how many reads had to wait."""
    neighbours, there, ranges, waits = Neighbours(), set[int](), list[tuple[int, int]](), 0
    for row in rows:
        waited = row not in there
        waits += waited
        wanted = neighbours.note(row, tree.entry_at(row).size, waited=waited)
        if wanted is not None:
            found = gather(tree, wanted)
            ranges.append((wanted.row, found.end))
            there.update(range(wanted.row, found.end))
            neighbours.fetched(wanted, found.end, found.size)
            neighbours.arrived(wanted)
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
def test_few_scattered_reads_fetch_nothing(tree: Tree, seed: int) -> None:
    rows = Random(seed).sample(range(1, tree.entries), SCATTERED - 1)
    assert read_in_order(rows, tree)[0] == []


@pytest.mark.parametrize("seed", range(3))
def test_scattered_reads_cost_a_multiple_of_themselves(tree: Tree, seed: int) -> None:
    neighbours, read, fetched = Neighbours(), 0, 0
    for row in Random(seed).sample(range(1, tree.entries), 3000):
        size = 20_000
        read += size
        wanted = neighbours.note(row, size, waited=True)
        if wanted is not None:
            assert wanted.size >= SWEEP_MIN or wanted.size >= FIRST_WINDOW
            fetched += wanted.size
            neighbours.fetched(wanted, min(wanted.row + wanted.size // size, wanted.end), wanted.size)
        assert fetched <= SHARE * read + FIRST_WINDOW
    assert fetched > 0


@pytest.mark.parametrize("seed", range(3))
def test_a_shuffled_loader_soon_waits_no_more(tree: Tree, seed: int) -> None:
    first = tree.locate(b"big/000000")
    assert first is not None
    rows = list(range(first[0], first[0] + 20_000))
    Random(seed).shuffle(rows)
    neighbours, there, waits, swept = Neighbours(), set[int](), 0, 0
    for row in rows:
        if row in there:
            continue  # the kernel answers: nobody hears of it
        waits += 1
        wanted = neighbours.note(row, 15_000, waited=True)
        if wanted is not None:
            end = min(wanted.row + wanted.size // 15_000, wanted.end)
            there.update(range(wanted.row, end))
            swept += end - wanted.row
            neighbours.fetched(wanted, end, (end - wanted.row) * 15_000)
    assert waits <= len(rows) // 6
    assert swept <= 1.3 * len(rows)


def test_a_region_that_did_not_stay_in_memory_begins_anew() -> None:
    neighbours, asked = Neighbours(), list[Wanted]()
    for _ in range(2):
        for row in range(0, 4000, 57):
            wanted = neighbours.note(4000 - row, 1 << 20, waited=True)
            if wanted is not None:
                asked.append(wanted)
                neighbours.fetched(wanted, REGION, wanted.size)
                neighbours.arrived(wanted)
    assert len([wanted for wanted in asked if wanted.row == 0]) >= 2


def test_progress_shows_where_a_file_was_left_out(tree: Tree) -> None:
    """What was pushed is read unseen: one read at the middle of a window says that the reader has come that far."""
    neighbours = Neighbours()
    asked = [neighbours.note(row, 15_000, waited=True) for row in range(100, 104)]
    (wanted,) = [one for one in asked if one is not None]
    end = wanted.row + 40
    neighbours.fetched(wanted, end, 40 * 15_000)
    assert neighbours.note(wanted.row + 1, 15_000, waited=False) is None
    following = neighbours.note(wanted.row + 30, 15_000, waited=False)
    assert following is not None and following.row == end
    assert following.size > wanted.size, "it read what it passed over"


def test_what_could_not_be_looked_at_is_asked_for_again() -> None:
    neighbours = Neighbours()
    asked = [neighbours.note(row, 15_000, waited=True) for row in range(100, 110)]
    (wanted,) = [one for one in asked if one is not None]
    failed = nothing(wanted)
    neighbours.fetched(wanted, failed.end, failed.size)
    again = [neighbours.note(row, 15_000, waited=True) for row in range(110, 110 + 2 * PAUSE)]
    assert next(one.row for one in again if one is not None) > 110


def test_what_was_fetched_for_one_reader_is_not_fetched_for_the_next(tree: Tree) -> None:
    neighbours = Neighbours()
    fetched = 0
    for row in range(100, 1100):
        for reader in (row, row + 37):
            wanted = neighbours.note(reader, tree.entry_at(reader).size, waited=False)
            if wanted is not None:
                found = gather(tree, wanted)
                fetched += found.end - wanted.row
                neighbours.fetched(wanted, found.end, found.size)
    assert fetched <= 1.5 * 3100


@pytest.mark.parametrize("seed", range(4))
def test_readers_that_share_the_files_out_are_one_reader_in_order(tree: Tree, seed: int) -> None:
    """They overtake each other, and come to windows that are still being looked up."""
    random, neighbours, count, first = Random(seed), Neighbours(), 8000, 100
    left = [list(range(first + reader, first + count, 4)) for reader in range(4)]
    looked_up, there, waits, fetched = list[Wanted](), set[int](), 0, list[int]()
    while any(left):
        # None gets further ahead of another than the three others together may read meanwhile.
        row = random.choice(sorted(rows[0] for rows in left if rows)[:3])
        left[(row - first) % 4].pop(0)
        waits += row not in there
        wanted = neighbours.note(row, tree.entry_at(row).size, waited=row not in there)
        if wanted is not None:
            looked_up.append(wanted)
        if looked_up and random.random() < 0.2:
            wanted = looked_up.pop(0)
            found = gather(tree, wanted)
            rows = range(wanted.row, found.end)
            fetched.extend(rows)
            there.update(rows)
            neighbours.fetched(wanted, found.end, found.size)
            neighbours.arrived(wanted)
    # In the beginning it is not known yet that they belong together.
    assert len(fetched) <= 1.1 * len(set(fetched)), "hardly any file is fetched twice"
    assert waits <= 120


def test_what_is_on_its_way_is_not_fetched_again_for_who_waits_for_it(tree: Tree) -> None:
    neighbours = Neighbours()
    asked = [neighbours.note(row, 15_000, waited=True) for row in range(100, 104)]
    (wanted,) = [one for one in asked if one is not None]
    end = wanted.row + 300
    neighbours.fetched(wanted, end, 300 * 15_000)
    # Another reader comes to the same place, and waits for each file.
    again = [neighbours.note(row, 15_000, waited=True) for row in range(wanted.row + 100, wanted.row + 160)]
    assert [one for one in again if one is not None and one.row < end] == []
    # Once all had come, one who has to wait says that it did not stay.
    neighbours.arrived(wanted)
    again = [neighbours.note(row, 15_000, waited=True) for row in range(wanted.row, wanted.row + 60)]
    assert [one for one in again if one is not None and one.row < end]


def test_one_window_is_bounded(tree: Tree) -> None:
    neighbours = Neighbours()
    sizes = []
    for row in range(1, 3000):
        wanted = neighbours.note(row, 50_000, waited=True)
        if wanted is not None:
            sizes.append(wanted.size)
            neighbours.fetched(wanted, wanted.row, 0)
    assert max(sizes) == WINDOW_MAX


def test_the_directories_of_a_range_of_rows_are_found_with_few_look_ups(tree: Tree) -> None:
    rows = range(1, tree.entries)
    expected: list[tuple[bytes, int]] = []
    for row in rows:
        parent = tree.entry_at(row).parent
        if expected and expected[-1][0] == parent:
            expected[-1] = (parent, row)
        else:
            expected.append((parent, row))
    assert len(expected) > 3
    assert directories(tree, 1, tree.entries) == expected
    middle = expected[1][1] + 1
    assert directories(tree, middle, middle + 1) == [(tree.entry_at(middle).parent, middle)]
    assert directories(tree, 5, 5) == []
