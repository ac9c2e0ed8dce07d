"""Merges of trees with files of several names: contents as without them, names together as either side has them."""

from __future__ import annotations

from itertools import combinations
from random import Random

import msgspec
import pytest
from test_tree_linked import Model, alias, claim, groups_of
from test_tree_property import PageBag, directory, file, ordered

from vfs.errors import Conflict
from vfs.model.entry import Entry
from vfs.repo.merge import merge_trees
from vfs.tree.build import build
from vfs.tree.edit import edit
from vfs.tree.keys import key_of
from vfs.tree.tree import Tree


def plain(bag: PageBag, tree: Tree) -> Tree:
    """The tree without links."""
    return Tree(bag, build(bag, (msgspec.structs.replace(entry, links=None) for entry in tree.walk())).ref)


def pairs(tree: Tree) -> set[tuple[bytes, bytes]]:
    """Each two names of one file."""
    return {pair for names in groups_of(tree) for pair in combinations(names, 2)}


def closure(linked: set[tuple[bytes, bytes]]) -> set[tuple[bytes, bytes]]:
    """Each two names of one file where each side may have linked one of them with a third."""
    groups: dict[bytes, set[bytes]] = {}
    for a, b in linked:
        both = groups.get(a, {a}) | groups.get(b, {b})
        groups.update(dict.fromkeys(both, both))
    return {(a, b) for a, names in groups.items() for b in names if key_of(a) < key_of(b)}


def merged(bag: PageBag, base: Tree, ours: Tree, theirs: Tree) -> Tree | str:
    """What a merge makes, or the paths that stand against it."""
    try:
        return Tree(bag, edit(theirs, bag, merge_trees(base, ours, theirs, where="w"), mtime_ns=9).ref)
    except Conflict as error:
        return str(error)


def edited(bag: PageBag, model: Model, tree: Tree, steps: int) -> Tree:
    """The tree after random edits."""
    for _ in range(steps):
        tree = Tree(bag, edit(tree, bag, model.step(), mtime_ns=9).ref)
    return tree


@pytest.mark.parametrize("seed", range(4))
def test_links_neither_hinder_a_merge_nor_change_what_it_makes_of_contents(seed: int) -> None:
    random, ends = Random(seed), set[bool]()
    for _ in range(12):
        bag, model = PageBag(), Model(random)
        base = edited(bag, model, Tree(bag, build(bag, [directory(b"")]).ref), 12)
        group, seeds = dict(model.group), dict(model.seeds)
        ours = edited(bag, model, base, 1)
        model.group, model.seeds = group, seeds
        theirs = edited(bag, model, base, 2)
        result = merged(bag, base, ours, theirs)
        without = merged(bag, *(plain(bag, tree) for tree in (base, ours, theirs)))
        ends.add(isinstance(result, Tree))
        if not isinstance(result, Tree) or not isinstance(without, Tree):
            assert result == without
            continue
        assert plain(bag, result).root_ref.digest == without.root_ref.digest
        sides = pairs(ours), pairs(theirs)
        there = {entry.path for entry in result.walk()}
        both = {pair for pair in sides[0] & sides[1] if there.issuperset(pair)}
        assert both <= pairs(result) <= closure(sides[0] | sides[1])
    assert True in ends


def tree_of(bag: PageBag, *groups: tuple[bytes, ...], seed: int = 1) -> Tree:
    """A tree of one content, with these names of files."""
    entries: list[Entry] = [directory(b"")]
    for number, paths in enumerate(groups):
        entries.extend(claim(alias(file(b"", seed), path), b"%d" % number) for path in paths)
    return Tree(bag, build(bag, ordered(entries)).ref)


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "expected"),
    [
        ([b"abc"], [b"bc"], [b"abcd"], [b"bcd"]),
        ([b"abc"], [b"abcd"], [b"abce"], [b"abcde"]),
        ([b"abc"], [b"ab"], [b"bc"], []),
        ([b"a", b"b"], [b"ab"], [b"a", b"bc"], [b"bc"]),
        ([b"a", b"b"], [b"ab"], [b"a", b"b", b"c"], [b"ab"]),
        ([b"ab"], [b"a", b"b"], [b"abc"], [b"abc"]),
        ([b"ab"], [b"a", b"b"], [b"ab", b"x"], []),
        ([b"ab"], [b"ab", b"cd"], [b"abe"], [b"abe", b"cd"]),
        ([b"ab"], [b"abz"], [b"b"], [b"bz"]),
    ],
)
def test_who_is_linked_after_a_merge(
    base: list[bytes], ours: list[bytes], theirs: list[bytes], expected: list[bytes]
) -> None:
    bag = PageBag()
    trees = [tree_of(bag, *(tuple(bytes([name]) for name in names) for names in side)) for side in (base, ours, theirs)]
    result = merged(bag, *trees)
    assert isinstance(result, Tree)
    assert [b"".join(names) for names in groups_of(result)] == expected


def test_who_changed_a_name_has_it_alone() -> None:
    bag = PageBag()
    base = tree_of(bag, (b"a", b"b"))
    entries = [directory(b""), file(b"a", 5), alias(file(b"", 1), b"b")]
    theirs = Tree(bag, build(bag, ordered(entries)).ref)
    ours = tree_of(bag, (b"a", b"b", b"c"))
    result = merged(bag, base, ours, theirs)
    assert isinstance(result, Tree)
    assert groups_of(result) == [[b"b", b"c"]] and result.get(b"a").same_as(file(b"a", 5))
