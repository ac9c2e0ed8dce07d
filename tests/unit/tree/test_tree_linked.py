"""Files of several names in a tree: the marks are right after any edits, and pages without them are as ever."""

from __future__ import annotations

from collections import defaultdict
from random import Random

import msgspec
import pytest
from test_tree_property import PageBag, directory, file, inline, ordered, symlink

from vfs.errors import Corrupt
from vfs.model.entry import Entry, Links
from vfs.tree.build import build
from vfs.tree.diff import diff
from vfs.tree.edit import Change, Put, Remove, edit
from vfs.tree.keys import key_of
from vfs.tree.layout import LeafColumns, encode_leaf
from vfs.tree.links import first_name, names
from vfs.tree.pages import decode_page
from vfs.tree.tree import Tree

# The root pages of two trees without links, as they were before there were any.
GOLDEN_SMALL = "83220f0a144545c734dee6286716df98cbfc7458c8ca255e63320f672bc7ad2a"
GOLDEN_LARGE = "e2769c9a11e4ed2ef3336cc6d75700b465e8442edf34f9f034dc6ad239d8edd6"


def claim(entry: Entry, token: bytes) -> Entry:
    """`entry`, which claims to be one file with all that have this token."""
    return msgspec.structs.replace(entry, links=Links(token))


def alias(entry: Entry, path: bytes) -> Entry:
    """The same file under another name."""
    return msgspec.structs.replace(entry, path=path)


def groups_of(tree: Tree) -> list[list[bytes]]:
    """The names of each file of several, checked: the marks say just that."""
    groups: defaultdict[bytes, list[Entry]] = defaultdict(list)
    for entry in tree.walk():
        if entry.links is not None:
            groups[entry.links.first].append(entry)
    for first, entries in groups.items():
        assert first == entries[0].path and len(entries) > 1
        assert {entry.links.count for entry in entries if entry.links is not None} == {len(entries)}
        following = [entry.links.next for entry in entries if entry.links is not None]
        assert following == [*(entry.path for entry in entries[1:]), b""]
        assert len({entry.identity()[1:] for entry in entries}) == 1
        assert list(names(tree, first)) == entries
    assert tree.top.linked == sum(map(len, groups.values()))
    return sorted([entry.path for entry in entries] for entries in groups.values())


def test_pages_without_links_are_what_they_always_were() -> None:
    bag = PageBag()
    some = ordered([directory(b""), directory(b"d"), file(b"d/a"), inline(b"b", b"x"), symlink(b"l", b"b")])
    assert build(bag, some).ref.digest.hex() == GOLDEN_SMALL
    many = ordered([directory(b""), *(file(b"%05d" % number, chunks=1 + number % 3) for number in range(20_000))])
    assert build(bag, many).ref.digest.hex() == GOLDEN_LARGE


class Model:
    """What a tree is to hold: seeds of files by path, and which of them are one file."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.seeds: dict[bytes, int] = {}
        self.group: dict[bytes, int] = {}
        self.fresh = 0

    def name(self) -> bytes:
        return b"d%d/%03d" % (self.random.randrange(4), self.random.randrange(400))

    def entry(self, path: bytes) -> Entry:
        return alias(file(b"", self.seeds[path]), path)

    def step(self) -> list[Change]:
        """A random edit, made here as well."""
        self.fresh += 1
        removed = self.removals()
        for path in [
            path for path in self.seeds if any(path == gone or path.startswith(gone + b"/") for gone in removed)
        ]:
            self.drop(path)
        put: dict[bytes, bytes] = {}
        for _ in range(self.random.randrange(5)):
            self.put_file(put)
        puts = [self.entry(path) for path in put]
        return [
            *map(Remove, removed),
            *(Put(claim(entry, put[entry.path]) if put[entry.path] else entry) for entry in puts),
        ]

    def removals(self) -> list[bytes]:
        if self.random.random() < 0.03:
            return [b"d%d" % self.random.randrange(4)]
        return [self.name() for _ in range(self.random.randrange(6))]

    def put_file(self, put: dict[bytes, bytes]) -> None:
        """One file, of one or more names; half of the times one that is there already, as it is."""
        self.fresh += 1
        paths = [self.name() for _ in range(self.random.choice((1, 1, 2, 2, 3, 30)))]
        known = self.seeds.get(paths[0])
        token = b"" if len(paths) == 1 and self.random.random() < 0.5 else b"%d" % self.fresh
        seed = known if known is not None and self.random.random() < 0.5 else self.fresh
        for path in paths:
            self.drop(path)
            self.seeds[path] = seed
            put[path] = token
            if token:
                self.group[path] = self.fresh

    def drop(self, path: bytes) -> None:
        self.seeds.pop(path, None)
        self.group.pop(path, None)

    def groups(self) -> list[list[bytes]]:
        found: defaultdict[int, list[bytes]] = defaultdict(list)
        for path, group in self.group.items():
            found[group].append(path)
        return sorted(sorted(paths, key=key_of) for paths in found.values() if len(paths) > 1)


@pytest.mark.parametrize("seed", range(3))
def test_random_edits_keep_the_names_of_each_file_together(seed: int) -> None:
    model, bag = Model(Random(seed)), PageBag()
    tree = Tree(bag, build(bag, [directory(b"")]).ref)
    for step in range(80):
        tree = Tree(bag, edit(tree, bag, model.step(), mtime_ns=9).ref)
        if step % 8 == 7:
            assert groups_of(tree) == model.groups()
            again = [directory(b""), *(entry for entry in tree.walk() if entry.path and not entry.size)]
            files = [
                claim(entry, b"%d" % model.group[entry.path]) if entry.path in model.group else entry
                for entry in map(model.entry, model.seeds)
            ]
            assert build(bag, ordered([*again, *files])).ref.digest == tree.root_ref.digest
    assert len(model.groups()) > 20


@pytest.mark.parametrize("seed", range(3))
def test_what_comes_from_an_older_tree_is_linked_with_what_is_left_of_its_file(seed: int) -> None:
    random = Random(seed)
    model, bag = Model(random), PageBag()
    trees = [Tree(bag, build(bag, [directory(b"")]).ref)]
    for _ in range(40):
        trees.append(Tree(bag, edit(trees[-1], bag, model.step(), mtime_ns=9).ref))
    now = trees[-1]
    for _ in range(40):
        found = [difference for difference in diff(now, random.choice(trees)) if difference.path]
        some = random.sample(found, min(len(found), random.choice((1, 3, 50, 500))))
        changes = [Remove(one.path) if one.new is None else Put(one.new) for one in some]
        now = Tree(bag, edit(now, bag, changes, mtime_ns=9).ref)
        groups_of(now)
    back = [Remove(one.path) if one.new is None else Put(one.new) for one in diff(now, trees[-1])]
    assert edit(now, bag, back, mtime_ns=9).ref.digest == trees[-1].root_ref.digest


def linked(*paths: bytes, others: int = 0) -> tuple[PageBag, Tree]:
    """A tree with one file at `paths`, and `others` beside them."""
    bag, one = PageBag(), file(b"", 1)
    entries = [directory(b""), *(file(b"x%05d" % number) for number in range(others))]
    return bag, Tree(bag, build(bag, ordered([*entries, *(claim(alias(one, path), b"t") for path in paths)])).ref)


def test_a_name_that_goes_leaves_the_others_together_and_the_last_alone() -> None:
    bag, tree = linked(b"a", b"m", b"z", others=5_000)
    assert groups_of(tree) == [[b"a", b"m", b"z"]] and tree.top.linked == 3
    before = bag.put
    two = Tree(bag, edit(tree, bag, [Remove(b"a")], mtime_ns=9).ref)
    assert groups_of(two) == [[b"m", b"z"]] and bag.put - before <= 4
    assert {one.path for one in diff(tree, two)} == {b"a", b"m", b"z"}
    one = Tree(bag, edit(two, bag, [Put(file(b"z", 7))], mtime_ns=9).ref)
    assert groups_of(one) == [] and one.get(b"m").links is None


def test_a_directory_that_goes_is_only_looked_into_where_it_holds_links() -> None:
    bag = PageBag()
    entries = [directory(b""), directory(b"d"), *(file(b"d/%05d" % number) for number in range(5_000))]
    ends = [claim(alias(file(b"", 1), path), b"t") for path in (b"a", b"d/03000", b"d/zz", b"e", b"f")]
    entries = [entry for entry in entries if entry.path != b"d/03000"]
    tree = Tree(bag, build(bag, ordered([*entries, *ends])).ref)
    bag.read.clear()
    less = Tree(bag, edit(Tree(bag, tree.root_ref), bag, [Remove(b"d")], mtime_ns=9).ref)
    assert groups_of(less) == [[b"a", b"e", b"f"]]
    read = set(bag.read)
    assert len(read) < len({child.ref.digest for _, child in tree.leaf_refs()})


def test_names_that_differ_are_not_one_file_whatever_they_claim() -> None:
    bag = PageBag()
    entries = [claim(alias(file(b"", seed), path), b"t") for seed, path in ((1, b"a"), (1, b"b"), (2, b"c"), (3, b"d"))]
    other = msgspec.structs.replace(entries[0], path=b"e", mode=0o600)
    tree = Tree(bag, build(bag, ordered([directory(b""), *entries, other])).ref)
    assert groups_of(tree) == [[b"a", b"b"]]


def test_a_name_that_stands_alone_after_all_is_a_plain_file() -> None:
    bag, tree = linked(b"only")
    plain = build(bag, [directory(b""), alias(file(b"", 1), b"only")])
    assert tree.root_ref.digest == plain.ref.digest


def test_a_first_name_that_fits_not_is_not_taken_for_the_file() -> None:
    _, tree = linked(b"a", b"b")
    row, entry = tree.locate(b"b") or (0, tree.get(b"a"))
    assert first_name(tree, row, entry) == tree.locate(b"a")
    stale = msgspec.structs.replace(entry, links=Links(b"a", count=3))
    assert first_name(tree, row, stale) == (row, msgspec.structs.replace(entry, links=None))


def bad(**links: tuple[bytes, bytes, int]) -> None:
    """Decode a page of the root, a directory `d` and files `a`, `b` with these marks."""
    logical, location = encode_leaf(ordered([directory(b""), file(b"a"), file(b"b"), directory(b"d")]))
    columns = msgspec.msgpack.decode(logical, type=LeafColumns)
    marks = {int(position[1:]): value for position, value in links.items()}
    whole = msgspec.msgpack.encode(msgspec.structs.replace(columns, links=marks))
    decode_page(Sections(whole, location), what="page")


class Sections(msgspec.Struct):
    """A page."""

    logical: bytes
    location: bytes


@pytest.mark.parametrize(
    ("links", "cause"),
    [
        ({"r0": (b"", b"z", 2)}, "no file"),
        ({"r3": (b"", b"z", 2)}, "no file"),
        ({"r4": (b"", b"z", 2)}, "no file"),
        ({"r1": (b"", b"z", 1)}, "impossible number"),
        ({"r1": (b"", b"z", 2**32)}, "impossible number"),
        ({"r1": (b"", b"", 2)}, "impossible number"),
        ({"r1": (b"a", b"", 2)}, "out of order"),
        ({"r2": (b"c", b"", 2)}, "out of order"),
        ({"r1": (b"", b"a", 2)}, "out of order"),
        ({"r1": (b"", b"../x", 2)}, "no possible path"),
        ({"r1": (b"", b"x" * 256, 2)}, "no possible path"),
    ],
)
def test_marks_that_cannot_be_are_refused(links: dict[str, tuple[bytes, bytes, int]], cause: str) -> None:
    bad(r1=(b"", b"b", 2), r2=(b"a", b"", 2))
    with pytest.raises(Corrupt, match=cause):
        bad(**links)
