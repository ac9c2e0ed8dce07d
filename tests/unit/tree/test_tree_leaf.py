"""Leaves by columns: what is taken from them without entries is what the entries say."""

from __future__ import annotations

import pytest

from tests.unit.tree.test_tree_property import PageBag, directory, file, inline, ordered, symlink
from vfs.errors import PathNotFound
from vfs.model.entry import ChunkList, Entry
from vfs.tree.build import build
from vfs.tree.tree import Tree


def mixed(count: int) -> list[Entry]:
    """A root with some of every kind of content, in key order."""
    entries = [directory(b"")]
    for i in range(count):
        name = b"%06d" % i
        kinds = [inline(name, name), file(name, i), file(name, i, 3), symlink(name, b"to"), directory(name)]
        entries.append(kinds[i % 5])
    return ordered(entries)


@pytest.fixture(scope="module")
def tree() -> Tree:
    """Twenty thousand names: several leaves."""
    bag = PageBag()
    return Tree(bag, build(bag, mixed(20_000)).ref)


def test_a_run_holds_its_row_and_runs_follow_each_other(tree: Tree) -> None:
    row, runs = 0, 0
    while row < tree.entries:
        start, leaf = tree.run(row)
        assert start == row and tree.run(row + leaf.count - 1)[0] == start
        assert leaf.entry(leaf.count - 1) == tree.entry_at(start + leaf.count - 1)
        row, runs = start + leaf.count, runs + 1
    assert runs > 3
    for outside in (-1, tree.entries):
        with pytest.raises(PathNotFound):
            tree.run(outside)


def test_single_chunks_are_those_of_the_entries(tree: Tree) -> None:
    _, leaf = tree.run(5_000)
    expected = [
        (position, content.refs[0])
        for position in range(leaf.count)
        if isinstance(content := leaf.entry(position).content, ChunkList) and len(content.refs) == 1
    ]
    assert leaf.single_chunks(0, leaf.count) == expected
    assert leaf.single_chunks(7, 99) == [pair for pair in expected if 7 <= pair[0] < 99]
    assert len(expected) > 100
