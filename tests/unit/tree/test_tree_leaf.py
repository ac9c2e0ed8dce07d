"""Leaves by columns: what is taken from them without entries is what the entries say."""

from __future__ import annotations

import stat

import msgspec
import pytest
from test_tree_property import PageBag, directory, file, inline, ordered, symlink

from vfs.errors import Corrupt, PathNotFound
from vfs.model.entry import BlobRef, ChunkList, Entry, Kind
from vfs.tree.build import build
from vfs.tree.columns import pack_ints
from vfs.tree.layout import LeafColumns, ListColumns
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


def test_names_and_digests_of_files_are_those_of_their_entries(tree: Tree) -> None:
    for step, first in ((1, 0), (7, 3), (4_999, 40)):
        rows = [row for row in range(first, tree.entries, step) if tree.entry_at(row).kind is Kind.FILE]
        entries = [tree.entry_at(row) for row in rows]
        assert list(tree.file_names(rows)) == [(entry.path, entry.digest) for entry in entries]
    assert list(tree.file_names([])) == []
    with pytest.raises(PathNotFound):
        list(tree.file_names([1, tree.entries]))


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


def test_attributes_are_those_of_the_entries(tree: Tree) -> None:
    formats = {Kind.FILE: stat.S_IFREG, Kind.DIR: stat.S_IFDIR, Kind.SYMLINK: stat.S_IFLNK}
    _, leaf = tree.run(9_000)
    start, end = 3, leaf.count - 4
    entries, found = [leaf.entry(position) for position in range(start, end)], leaf.attributes(start, end)
    assert found.names == [entry.name for entry in entries]
    assert list(found.modes) == [formats[entry.kind] | entry.mode for entry in entries]
    assert list(found.sizes) == [entry.size for entry in entries]
    assert list(found.occupied) == [entry.size if entry.kind is Kind.FILE else 0 for entry in entries]
    assert list(found.mtimes) == [entry.mtime_ns for entry in entries]


def test_holes_and_links_occupy_nothing() -> None:
    hole, chunk = BlobRef(b"", 10_000, b"", 0, 0), BlobRef(b"d" * 32, 70, b"p" * 16, 3, 50)
    refs = ChunkList((chunk, hole, chunk, hole))
    sparse = Entry(path=b"s", kind=Kind.FILE, mode=0o600, mtime_ns=0, size=20_140, digest=b"w" * 32, content=refs)
    others = [directory(b""), file(b"a", 1, 2), symlink(b"l", b"to"), inline(b"z", b"12"), file(b"zz")]
    entries = ordered([*others, sparse])
    bag = PageBag()
    tree = Tree(bag, build(bag, entries).ref)
    assert [tree.entry_at(row) for row in range(tree.entries)] == entries
    _, leaf = tree.run(0)
    assert list(leaf.attributes(0, leaf.count).occupied) == [0, 2001, 0, 140, 2, 1000]
    ((position, ref),) = leaf.single_chunks(0, leaf.count)
    assert (position, ChunkList((ref,))) == (5, entries[5].content)


def test_listings_by_row_are_the_children(tree: Tree) -> None:
    expected, found, row = [row for row, _ in tree.children(b"")], list[int](), 0
    while run := tree.listing(b"", row):
        assert run.leaf.entry(run.start) == tree.entry_at(run.row)
        row = run.row + run.end - run.start
        found += range(run.row, row)
    assert found == expected
    assert tree.listing(b"", tree.entries + 5) is None
    empty = next(entry for entry in tree.walk() if entry.kind is Kind.DIR and entry.path)
    assert tree.listing(empty.path) is None and tree.listing(b"none") is None


def test_listings_of_directories_begin_and_end_where_they_do() -> None:
    below = [directory(b"%c/%d" % (top, i)) for top in b"abc" for i in range(3000)]
    entries = ordered([directory(b""), *(directory(b"%c" % top) for top in b"abc"), *below])
    bag = PageBag()
    tree = Tree(bag, build(bag, entries).ref)
    for path in (b"", b"a", b"b", b"c", b"b/7"):
        names, row = list[bytes](), 0
        while run := tree.listing(path, row):
            names += run.leaf.attributes(run.start, run.end).names
            row = run.row + run.end - run.start
        assert names == [entry.name for _, entry in tree.children(path)]


def with_columns(entries: list[Entry], **changes: object) -> Tree:
    """A tree of one leaf, some of whose columns are others than were written."""
    bag = PageBag()
    root = build(bag, entries).ref
    page = bag.pages[root.digest]
    columns = msgspec.msgpack.decode(page.logical, type=LeafColumns)
    page.logical = msgspec.msgpack.encode(msgspec.structs.replace(columns, **changes))
    return Tree(bag, root)


@pytest.mark.parametrize(
    "changes",
    [
        {"names": b"/a/b/c/c"},
        {"names": b"/b/a/c/d"},
        {"names": b"/a//c/d"},
        {"names": b"/../a/c/d"},
        {"names": b"/./b/c/d"},
        {"names": b"/a/b/c"},
        {"names": b"/a/b\0/c/d"},
        {"counts": [4]},
        {"counts": [4, 1], "dirs": [b"", b""]},
        {"counts": [4, 1], "dirs": [b"", b".."]},
        {"counts": [4, 1], "dirs": [b"", b"x\x01\x01y"]},
        {"counts": [4, 1], "dirs": [b"", b"x\x01" + b"y" * 256]},
        {"counts": [4, 1], "dirs": [b"", (b"y" * 250 + b"\x01") * 20 + b"z"]},
        {"counts": [5, 0], "dirs": [b"", b"x"]},
        {"counts": [], "dirs": []},
        {"dirs": [b"x"]},
        {"kinds": b"\x02\x01\x01\x03\x00"},
        {"kinds": b"\x02\x01\x01\x03"},
        {"kinds": b"\x02\x01\x01\x01\x01"},
        {"kinds": b"\x02\x01\x01\x02\x01"},
        {"shapes": b"\x00\x01\x03"},
        {"shapes": b"\x00\x01"},
        {"shapes": b"\x01\x00\x02"},
        {"shapes": b"\x00\x00\x02"},
        {"inline": [b"123"]},
        {"inline": []},
        {"inline": [b"1234", b"5"]},
        {"targets": []},
        {"lists": []},
        {"lists": [ListColumns(0, b"d" * 64, pack_ints("Q", [1, 2]))]},
        {"lists": [ListColumns(0, b"", b"")]},
        {"lists": [ListColumns(9, b"d" * 64, pack_ints("Q", [1000, 1001]))]},
        {"lists": [ListColumns(1, b"d" * 32 + b"\0" * 32, pack_ints("Q", [1000, 1001]))]},
        {"digests": b"d" * 95},
        {"modes": b"\1" * 9},
        {"sizes": pack_ints("Q", [0, 4, 1000, 2, 2001 << 52])},
        {"sizes": pack_ints("Q", [1 << 63, 4, 1000, 2, 2001])},
        {"mtimes": b"\1" * 39},
    ],
    ids=repr,
)
def test_columns_that_do_not_fit_together_are_refused(changes: dict[str, object]) -> None:
    entries = ordered([directory(b""), inline(b"a", b"1234"), file(b"b"), symlink(b"c", b"to"), file(b"d", 0, 2)])
    assert list(with_columns(entries).walk()) == entries
    with pytest.raises(Corrupt):
        with_columns(entries, **changes).run(0)
