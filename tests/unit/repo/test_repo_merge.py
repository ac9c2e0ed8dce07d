"""Three-way merge of trees: what goes together, what stands against it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vfs.errors import Conflict
from vfs.model.entry import BlobRef, Entry, Kind
from vfs.model.ids import digest_of
from vfs.repo.merge import merge_trees
from vfs.tree.edit import edit
from vfs.tree.keys import key_of
from vfs.tree.pages import Page
from vfs.tree.tree import Tree
from vfs.tree.writer import TreeWriter

Model = dict[bytes, str]


class KeptPage:
    def __init__(self, logical: bytes, location: bytes) -> None:
        self.logical, self.location = logical, location


class Pages:
    """Pages in a dict, as a source and a sink."""

    def __init__(self) -> None:
        self._held: dict[bytes, KeptPage] = {}

    def put_page(self, logical: bytes, location: bytes) -> BlobRef:
        digest = digest_of(logical)
        self._held[digest] = KeptPage(logical, location)
        return BlobRef(digest, len(logical) + len(location) + 12, bytes(16), 0, 1)

    def get_page(self, ref: BlobRef) -> Page:
        return self._held[ref.digest]


def entry(path: bytes, value: str) -> Entry:
    """`d` and `d:MTIME` are directories, `m` one of another mode, anything else the content of a file."""
    if value.startswith("d"):
        return Entry(path=path, kind=Kind.DIR, mode=0o755, mtime_ns=int(value[2:] or 0))
    if value == "m":
        return Entry(path=path, kind=Kind.DIR, mode=0o700, mtime_ns=0)
    data = value.encode()
    return Entry(
        path=path, kind=Kind.FILE, mode=0o644, mtime_ns=1, size=len(data), digest=digest_of(data), content=data
    )


def tree_of(pages: Pages, model: Model) -> Tree:
    writer = TreeWriter(pages)
    for path in sorted({b"": "d", **model}, key=key_of):
        writer.add(entry(path, {b"": "d", **model}[path]))
    return Tree(pages, writer.finish().ref)


def merged(base: Model | None, ours: Model, theirs: Model) -> Model:
    pages = Pages()
    their_tree = tree_of(pages, theirs)
    before = tree_of(pages, base) if base is not None else None
    changes = merge_trees(before, tree_of(pages, ours), their_tree, where="r@main")
    result = Tree(pages, edit(their_tree, pages, changes, mtime_ns=0).ref)
    return {found.path: shown(found) for found in result.walk() if found.path}


def shown(found: Entry) -> str:
    if found.kind is Kind.DIR:
        return "m" if found.mode == 0o700 else f"d:{found.mtime_ns}" if found.mtime_ns else "d"
    assert isinstance(found.content, bytes)
    return found.content.decode()


BASE: Model = {b"a": "1", b"d": "d", b"d/x": "1", b"d/y": "1"}


@pytest.mark.parametrize(
    ("ours", "theirs", "result"),
    [
        ({b"b": "2"}, {b"c": "3"}, {**BASE, b"b": "2", b"c": "3"}),
        ({b"a": "2"}, {b"d/x": "3"}, {**BASE, b"a": "2", b"d/x": "3"}),
        ({b"a": "2"}, {b"a": "2"}, {**BASE, b"a": "2"}),
        ({b"a": None}, {b"a": None}, {key: value for key, value in BASE.items() if key != b"a"}),
        ({b"d": None, b"d/x": None, b"d/y": None}, {b"d/y": None}, {b"a": "1"}),
        ({b"d": "d:5"}, {b"d": "d:7", b"d/z": "2"}, {**BASE, b"d": "d:7", b"d/z": "2"}),
        ({b"n": "d:5", b"n/p": "1"}, {b"n": "d:3", b"n/q": "2"}, {**BASE, b"n": "d:5", b"n/p": "1", b"n/q": "2"}),
        ({b"d": None, b"d/x": None, b"d/y": None}, {b"d": "d:7"}, {b"a": "1"}),
        ({b"d": "d:7"}, {b"d": None, b"d/x": None, b"d/y": None}, {b"a": "1"}),
        ({b"d": "d:7"}, {b"d": "m"}, {**BASE, b"d": "m"}),
        ({b"d": "m"}, {b"d/z": "2"}, {**BASE, b"d": "m", b"d/z": "2"}),
        ({b"a": "d", b"a/in": "1"}, {b"d/x": "2"}, {**BASE, b"a": "d", b"a/in": "1", b"d/x": "2"}),
        ({b"d": "file", b"d/x": None, b"d/y": None}, {b"b": "2"}, {b"a": "1", b"d": "file", b"b": "2"}),
    ],
)
def test_disjoint_changes_go_together(ours: dict, theirs: dict, result: Model) -> None:
    assert merged(BASE, applied(BASE, ours), applied(BASE, theirs)) == result


@pytest.mark.parametrize(
    ("ours", "theirs", "named"),
    [
        ({b"a": "2"}, {b"a": "3"}, "a"),
        ({b"a": "2"}, {b"a": None}, "a"),
        ({b"a": None}, {b"a": "2"}, "a"),
        ({b"b": "2"}, {b"b": "3"}, "b"),
        ({b"d": None, b"d/x": None, b"d/y": None}, {b"d/z": "1"}, "d/z"),
        ({b"d/z": "1"}, {b"d": None, b"d/x": None, b"d/y": None}, "d/z"),
        ({b"d": "file", b"d/x": None, b"d/y": None}, {b"d/z": "1"}, "d/z"),
        ({b"a": "d", b"a/in": "1"}, {b"a": "2"}, "a"),
        ({b"n": "d", b"n/p": "1"}, {b"n": "m"}, "n"),
    ],
)
def test_what_stands_against_it_is_named(ours: dict, theirs: dict, named: str) -> None:
    with pytest.raises(Conflict, match=rf"^r@main: 1 path was changed on both sides.*: {named}$"):
        merged(BASE, applied(BASE, ours), applied(BASE, theirs))


def test_ten_paths_are_named_and_the_rest_counted() -> None:
    ours = {f"{number:02}".encode(): "ours" for number in range(25)}
    theirs = dict.fromkeys(ours, "theirs")
    with pytest.raises(Conflict, match=r"25 paths .* 08, 09 and 15 more$"):
        merged({}, ours, theirs)


def test_two_first_commits_go_together() -> None:
    assert merged(None, {b"a": "1"}, {b"b": "2"}) == {b"a": "1", b"b": "2"}


def applied(base: Model, changes: dict) -> Model:
    return {path: value for path, value in {**base, **changes}.items() if value is not None}


names = st.sampled_from([b"a", b"b", b"c"])
paths = st.builds(b"/".join, st.lists(names, min_size=1, max_size=3))
contents = st.sampled_from(["1", "2", "3"])


@st.composite
def models(draw: Callable) -> Model:
    """A tree of files up to three levels deep."""
    model: Model = {}
    for path, value in draw(st.lists(st.tuples(paths, contents), max_size=8)):
        put_model(model, path, value)
    return model


def put_model(model: Model, path: bytes, value: str) -> None:
    parents = [path[:at] for at in range(len(path)) if path[at : at + 1] == b"/"]
    if any(model.get(parent, "d") != "d" for parent in parents):
        return
    for below in [key for key in model if key.startswith(path + b"/")]:
        del model[below]
    model.update(dict.fromkeys(parents, "d"))
    model[path] = value


@settings(deadline=None)
@given(models(), models(), models())
def test_a_merge_has_every_change_of_both_sides_or_is_a_conflict(base: Model, ours: Model, theirs: Model) -> None:
    try:
        result = merged(base, ours, theirs)
    except Conflict:
        assert ours != base and theirs != base
        return
    for path in {*base, *ours, *theirs, *result}:
        versions = [model.get(path) for model in (base, ours, theirs, result)]
        was, mine, other, now = versions
        expected = other if mine == was else mine
        assert now == expected, (path, versions)
    assert all(result.get(path.rpartition(b"/")[0], "d") == "d" for path in result)


@settings(deadline=None)
@given(models(), models())
def test_a_merge_with_an_unchanged_side_gives_the_other(base: Model, changed: Model) -> None:
    assert merged(base, changed, base) == changed
    assert merged(base, base, changed) == changed
    assert merged(base, changed, changed) == changed
