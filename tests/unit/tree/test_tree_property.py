"""Trees against a plain dict: whatever the history, the pages and every answer are the same."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import msgspec
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from vfs.errors import Corrupt, NotADirectory, PathNotFound, VfsError
from vfs.model.entry import BlobRef, ChunkList, Entry, Kind
from vfs.tree.build import build
from vfs.tree.diff import diff
from vfs.tree.edit import Put, Remove, edit
from vfs.tree.keys import escape, key_of, path_of, unescape
from vfs.tree.tree import Tree
from vfs.tree.writer import Root


class Page(msgspec.Struct):
    """Two sections, as a page source gives them."""

    logical: bytes
    location: bytes


class PageBag:
    """Pages in memory by digest; counts what is put and what is read."""

    def __init__(self) -> None:
        self.pages: dict[bytes, Page] = {}
        self.put = 0
        self.read: list[bytes] = []

    def put_page(self, logical: bytes, location: bytes) -> BlobRef:
        digest = blake3(logical).digest()
        self.put += digest not in self.pages
        self.pages.setdefault(digest, Page(logical, location))
        return BlobRef(digest, len(logical) + len(location), b"p" * 16, 0, len(logical))

    def get_page(self, ref: BlobRef) -> Page:
        self.read.append(ref.digest)
        return self.pages[ref.digest]


def file(path: bytes, seed: int = 0, chunks: int = 1) -> Entry:
    """A file entry whose digest and chunks come from its path and `seed`."""
    digests = [blake3(path + b"%d.%d" % (seed, i)).digest() for i in range(chunks)]
    refs = tuple(BlobRef(d, 1000 + i, bytes([seed % 7]) * 16, i * 5000, 900) for i, d in enumerate(digests))
    whole = digests[0] if chunks == 1 else blake3(b"".join(digests)).digest()
    size = sum(ref.length for ref in refs)
    content = ChunkList(refs)
    return Entry(path=path, kind=Kind.FILE, mode=0o640, mtime_ns=seed - 5, size=size, digest=whole, content=content)


def inline(path: bytes, data: bytes) -> Entry:
    """A small file whose bytes lie in the page."""
    digest = blake3(data).digest()
    return Entry(path=path, kind=Kind.FILE, mode=0o755, mtime_ns=3, size=len(data), digest=digest, content=data)


def directory(path: bytes, mtime: int = 9) -> Entry:
    """A directory entry."""
    return Entry(path=path, kind=Kind.DIR, mode=0o755, mtime_ns=mtime)


def symlink(path: bytes, target: bytes) -> Entry:
    """A symlink entry with an attribute."""
    attrs = ((b"user.k", b"\0v"),)
    size = len(target)
    return Entry(path=path, kind=Kind.SYMLINK, mode=0o777, mtime_ns=1, size=size, target=target, xattrs=attrs)


def ordered(entries: Iterable[Entry]) -> list[Entry]:
    """The entries by key."""
    return sorted(entries, key=lambda entry: key_of(entry.path))


def closed(entries: dict[bytes, Entry]) -> dict[bytes, Entry]:
    """`entries` with every parent that is missing, as `edit` makes them."""
    full = dict(entries)
    for path in [*entries, b""]:
        while path:
            path = path.rpartition(b"/")[0]
            full.setdefault(path, directory(path))
    full.setdefault(b"", directory(b""))
    return full


NAMES = st.sampled_from(
    [b"a", b"b", b"a\x01", b"\x01", b"\x02", b"a\x02b", b"z!", b"\xff", b"-", b"B", b" ", b"...", b"a.b"]
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)
SEEDS = st.integers(0, 10**6)


@given(st.lists(NAMES, max_size=5), st.lists(NAMES, max_size=5))
def test_keys_are_one_to_one_and_put_parents_before_children(a: list[bytes], b: list[bytes]) -> None:
    one, two = b"/".join(a), b"/".join(b)
    assert path_of(key_of(one)) == one
    assert unescape(escape(one)) == one
    assert (key_of(one) == key_of(two)) == (one == two)
    if a:
        assert key_of(b"/".join(a[:-1])) < key_of(one)


@given(st.lists(NAMES, min_size=1, max_size=3), PATHS, PATHS)
def test_all_below_a_directory_is_one_range(top: list[bytes], below: bytes, other: bytes) -> None:
    path = b"/".join(top)
    low, high = escape(path) + b"\0", escape(path) + b"\x02"
    assert low < key_of(path + b"/" + below) < high
    inside = low < key_of(other) < high
    assert inside == other.startswith(path + b"/")


def reference(paths: dict[bytes, int]) -> dict[bytes, Entry]:
    """A dict tree of files and links at those `paths` that have no other path below them."""
    parents = {path[:i] for path in paths for i in range(len(path)) if path[i : i + 1] == b"/"}
    leaves = {path: seed for path, seed in paths.items() if path not in parents}
    kinds = [
        lambda path, seed: file(path, seed, 1),
        lambda path, seed: file(path, seed, 3),
        lambda path, seed: inline(path, b"%d" % seed),
        lambda path, seed: symlink(path, b"../%d" % seed),
        lambda path, seed: directory(path, seed),
    ]
    return closed({path: kinds[seed % 5](path, seed) for path, seed in leaves.items()})


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(PATHS, SEEDS, max_size=60), st.dictionaries(PATHS, SEEDS, max_size=20), st.lists(PATHS, max_size=6)
)
def test_edit_equals_a_fresh_build_and_diff_names_the_changes(
    first: dict[bytes, int], second: dict[bytes, int], removed: list[bytes]
) -> None:
    bag = PageBag()
    before = reference(first)
    tree = Tree(bag, build(bag, ordered(before.values())).ref)
    after = {
        path: entry
        for path, entry in before.items()
        if not any(path == gone or path.startswith(gone + b"/") for gone in removed)
    }
    puts = [entry for path, entry in reference(second).items() if path]
    for entry in puts:
        if entry.kind is not Kind.DIR:
            after = {path: old for path, old in after.items() if not path.startswith(entry.path + b"/")}
        after[entry.path] = entry
    after = closed(after)
    root = edit(tree, bag, [*map(Remove, removed), *map(Put, puts)], mtime_ns=9)
    assert root == build(bag, ordered(after.values()))
    new = Tree(bag, root.ref)
    assert {entry.path: entry for entry in new.walk()} == after
    expected = {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)}
    found = {d.path: (d.old, d.new) for d in diff(tree, new)}
    assert found == {path: (before.get(path), after.get(path)) for path in expected}


def big_tree(count: int) -> tuple[PageBag, dict[bytes, Entry], Root]:
    """A tree of some thousand entries with one large and many small directories."""
    entries = {b"big/%06d" % i: file(b"big/%06d" % i, i) for i in range(count)}
    entries |= {b"d%03d/s/%d" % (i, j): file(b"d%03d/s/%d" % (i, j), i) for i in range(count // 20) for j in range(8)}
    bag = PageBag()
    full = closed(entries)
    return bag, full, build(bag, ordered(full.values()))


def test_rows_paths_listings_and_totals_agree() -> None:
    bag, full, root = big_tree(6000)
    tree = Tree(bag, root.ref)
    in_order = ordered(full.values())
    assert (root.entries, root.size) == (len(full), sum(e.size for e in full.values()))
    assert [row for row, _ in tree.rows()] == list(range(len(full)))
    assert list(tree.walk()) == in_order
    for row in range(0, len(full), 97):
        entry = in_order[row]
        assert tree.entry_at(row) == entry
        assert tree.locate(entry.path) == (row, entry)
    names = [entry.name for _, entry in tree.children(b"big")]
    assert names == [b"%06d" % i for i in range(6000)]
    assert [e.name for _, e in tree.children(b"big", after=b"005997")] == [b"005998", b"005999"]
    assert [e.path for _, e in tree.children(b"")][:2] == [b"big", b"d000"]
    below = [e for e in full.values() if e.path == b"d007" or e.path.startswith(b"d007/")]
    totals = tree.totals(b"d007")
    assert (totals.entries, totals.files, totals.size) == (len(below), 8, sum(e.size for e in below))
    assert tree.totals(b"big").files == 6000
    assert tree.totals(b"").entries == len(full)
    assert tree.find(b"big/x") is None
    assert list(tree.rows(b"nothing")) == []
    with pytest.raises(PathNotFound):
        tree.entry_at(len(full))


def test_an_edit_of_one_entry_writes_one_leaf_and_the_pages_above() -> None:
    bag, _, root = big_tree(40_000)
    tree = Tree(bag, root.ref)
    written = bag.put
    edited = edit(tree, bag, [Put(file(b"big/020000", 77))], mtime_ns=0)
    assert 2 <= bag.put - written <= 3
    bag.read.clear()
    assert [d.path for d in diff(Tree(bag, root.ref), Tree(bag, edited.ref))] == [b"big/020000"]
    assert len(bag.read) <= 6
    assert list(diff(tree, Tree(bag, edited.ref), prefix=b"d001")) == []


def test_a_put_below_a_file_is_refused_unless_the_changes_make_room() -> None:
    bag = PageBag()
    tree = Tree(bag, build(bag, ordered(closed({b"a": file(b"a")}).values())).ref)
    with pytest.raises(NotADirectory, match="a: not a directory"):
        edit(tree, bag, [Put(file(b"a/b"))], mtime_ns=0)
    root = edit(tree, bag, [Remove(b"a"), Put(file(b"a/b"))], mtime_ns=0)
    assert [e.path for e in Tree(bag, root.ref).walk()] == [b"", b"a", b"a/b"]


def test_pages_do_not_depend_on_where_chunks_lie() -> None:
    entries = ordered(closed({b"x": file(b"x", 1, 3), b"y": file(b"y", 2)}).values())
    bag = PageBag()
    root = build(bag, entries)
    moved = [
        msgspec.structs.replace(
            e, content=ChunkList(tuple(msgspec.structs.replace(r, pack=b"q" * 16, offset=7) for r in e.content.refs))
        )
        if isinstance(e.content, ChunkList)
        else e
        for e in entries
    ]
    other = PageBag()
    assert build(other, moved).ref.digest == root.ref.digest
    assert list(Tree(other, root.ref).walk()) == moved


def damaged(data: bytes, random: Random) -> bytes:
    """`data` with one to three bytes overwritten, or cut short."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 3)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed[: random.randrange(len(changed))] if random.random() < 0.1 else changed)


@settings(max_examples=500, deadline=None)
@given(st.integers())
def test_a_damaged_page_is_refused_or_harmless_never_a_crash(seed: int) -> None:
    random = Random(seed)
    bag, _, root = big_tree(200)
    digest = random.choice(sorted(bag.pages))
    page = bag.pages[digest]
    if random.random() < 0.7:
        bag.pages[digest] = Page(damaged(page.logical, random), page.location)
    else:
        bag.pages[digest] = Page(page.logical, damaged(page.location, random))
    try:
        for entry in Tree(bag, root.ref).walk():
            assert len(entry.name) <= 255
            assert b".." not in entry.path.split(b"/")
    except VfsError as error:
        assert isinstance(error, Corrupt)


@pytest.mark.parametrize("bad", [b"..", b".", b"x" * 256, b"a\0b"])
def test_forbidden_names_in_a_page_are_refused(bad: bytes) -> None:
    bag = PageBag()
    good = b"n" * len(bad)
    root = build(bag, ordered(closed({good: inline(good, b"1")}).values()))
    page = bag.pages[root.ref.digest]
    assert good in page.logical
    bag.pages[root.ref.digest] = Page(page.logical.replace(good, bad), page.location)
    with pytest.raises(Corrupt):
        list(Tree(bag, root.ref).walk())
