"""Look-ups in tree order give what plain look-ups give, in any order."""

from __future__ import annotations

import random

import pytest

from vfs.model.entry import Entry, Kind
from vfs.tree.build import build
from vfs.tree.keys import key_of
from vfs.tree.tree import Tree
from vfs.workspace.neighbours import Neighbours


@pytest.fixture
def tree(world) -> Tree:
    paths = [b"", b"d", b"d/in", b"e", b"f"]
    paths += [b"d/%03d" % number for number in range(0, 600, 3)] + [b"e/%d" % number for number in range(5)]
    writer = world.library.writer()
    root = build(writer, [_entry(path) for path in sorted(paths, key=key_of)])
    writer.flush()
    return world.library.tree_at(root.ref)


def _entry(path: bytes) -> Entry:
    if path in (b"", b"d", b"e"):
        return Entry(path=path, kind=Kind.DIR, mode=0o755, mtime_ns=0)
    return Entry(path=path, kind=Kind.FILE, mode=0o644, mtime_ns=0, digest=bytes(32))


@pytest.mark.parametrize("seed", range(6))
def test_any_paths_in_any_order(tree: Tree, seed: int) -> None:
    asked = [b"", b"d", b"e", b"f", b"none", b"none/x", b"f/x", b"d/in", b"d/in/x", b"e/3", b"e/30"]
    asked += [b"d/%03d" % number for number in range(600)]
    chosen = random.Random(seed)
    paths = chosen.choices(asked, k=chosen.choice([5, 50, 500]))
    if seed % 2:
        paths.sort(key=key_of)
    neighbours = Neighbours(tree)
    assert [neighbours.find(path) for path in paths] == [tree.find(path) for path in paths]
