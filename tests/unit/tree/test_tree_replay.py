"""Files are fetched in the order in which an earlier run read them, as long as that order is followed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from test_tree_property import big_tree

from vfs.tree.replay import FIRST_WINDOW, NEAR, PATIENCE, WINDOW_MAX, Replay, gather_turn
from vfs.tree.tree import Tree

SIZE = 15_000
# The share of a window that its reader is left to ask for, as the daemon does it.
WIRE = 0.55


class Reader:
    """Reads paths; what was fetched is pushed, so that nobody hears of it, but for the tripwires."""

    def __init__(self, paths: Sequence[bytes]) -> None:
        self.paths = list(paths)
        self.replay = Replay(paths)
        self.there: set[bytes] = set()
        self.wires: set[bytes] = set()
        self.sizes: list[int] = []
        self.waits = self.others = 0
        self.fetch()

    def fetch(self) -> None:
        while (turn := self.replay.next()) is not None:
            self.sizes.append(turn.size)
            files = turn.paths[: -(-turn.size // SIZE)]
            assert not self.there & set(files), "nothing is fetched twice"
            self.there.update(files)
            self.wires |= {files[int(WIRE * len(files))], files[-1]}
            self.replay.fetched(turn, turn.position + len(files), len(files) * SIZE)

    def read(self, paths: Sequence[bytes]) -> Reader:
        for path in paths:
            waited = path not in self.there
            self.waits += waited
            if waited or path in self.wires:
                self.others += not self.replay.note(path, waited=waited)
                self.fetch()
        return self


@pytest.fixture
def paths() -> list[bytes]:
    """An order in which 5,000 files were read."""
    paths = [b"d/%04d" % number for number in range(5000)]
    Random(1).shuffle(paths)
    return paths


def test_whoever_reads_the_same_never_waits(paths: list[bytes]) -> None:
    reader = Reader(paths).read(paths)
    assert (reader.waits, reader.others) == (0, 0)
    assert reader.there == set(paths) and reader.replay.over
    assert reader.sizes[0] == FIRST_WINDOW and max(reader.sizes) == WINDOW_MAX
    assert all(later <= 2 * size for size, later in zip(reader.sizes, reader.sizes[1:], strict=False))


def test_no_more_is_fetched_than_twice_what_was_read(paths: list[bytes]) -> None:
    for count in (0, 1, 10, 50, 300):
        reader = Reader(paths).read(paths[:count])
        assert len(reader.there) * SIZE <= 4 * count * SIZE + FIRST_WINDOW + SIZE


def test_files_in_between_and_files_that_are_not_read_any_more(paths: list[bytes]) -> None:
    random = Random(2)
    read = [path for path in paths if random.random() > 0.2]
    for number in range(100):
        read.insert(random.randrange(len(read)), b"new/%d" % number)
    reader = Reader(paths).read(read)
    assert reader.others == 100, "those that were not read before, and no other"
    assert reader.waits <= 110, "a window whose tripwires are both passed over ends in a wait"


def test_several_processes_deviate_a_little(paths: list[bytes]) -> None:
    random = Random(3)
    read = [path for _, path in sorted((number + random.uniform(0, 24), path) for number, path in enumerate(paths))]
    reader = Reader(paths).read(read)
    assert reader.there == set(paths)
    assert reader.waits <= 24


@pytest.mark.parametrize("seed", range(4, 9))
def test_another_order_is_soon_left_to_others(paths: list[bytes], seed: int) -> None:
    read = list(paths)
    Random(seed).shuffle(read)
    reader = Reader(paths).read(read)
    assert reader.replay.over
    assert len(reader.there) <= 100
    assert reader.others >= PATIENCE


def test_other_files_are_left_to_others_at_once() -> None:
    replay = Replay([b"a", b"b"])
    assert [replay.note(b"x/%d" % number, waited=True) for number in range(PATIENCE + 1)] == [False] * (PATIENCE + 1)
    assert replay.over and replay.next() is None


def test_what_was_read_before_and_did_not_stay_is_left_to_others(paths: list[bytes]) -> None:
    reader = Reader(paths).read(paths[:1000])
    assert reader.replay.note(paths[0], waited=False)
    assert not reader.replay.note(paths[0], waited=True)
    assert not reader.replay.over


def test_a_reader_faster_than_the_store_is_caught_up_with(paths: list[bytes]) -> None:
    replay = Replay(paths)
    turn = replay.next()
    assert turn is not None and turn.position == 0
    assert all(replay.note(path, waited=True) for path in paths[:NEAR])
    assert replay.next() is None, "one window at a time"
    replay.fetched(turn, 10, 10 * SIZE)
    following = replay.next()
    assert following is not None and following.position == NEAR and following.paths[0] == paths[NEAR]


def test_what_could_not_be_looked_at_is_asked_for_again(paths: list[bytes]) -> None:
    replay = Replay(paths)
    turn = replay.next()
    assert turn is not None
    replay.fetched(turn, turn.position, 0)
    again = replay.next()
    assert again is not None and (again.position, again.size) == (0, FIRST_WINDOW)


def test_paths_are_looked_up_in_the_tree_of_today() -> None:
    bag, _, root = big_tree(3000)
    tree = Tree(bag, root.ref)
    paths = [b"big/%06d" % number for number in range(200)]
    Random(1).shuffle(paths)
    replay = Replay([b"gone", b"big", *paths])
    turn = replay.next()
    assert turn is not None
    found = gather_turn(tree, turn)
    rows = [tree.locate(path) for path in paths]
    assert [row for row, _ in found.files] == [located[0] for located in rows if located][: len(found.files)]
    assert found.refs[: len(found.files)] == [ref for _, ref in found.files]
    assert found.end >= 2 + len(found.files) and found.size == sum(ref.length for ref in found.refs)
