"""The file system of a mount, without a kernel: names, attributes, listings, content, inodes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from vfs.control.spec import View
from vfs.errors import (
    Corrupt,
    IsADirectory,
    NameTooLong,
    NotADirectory,
    ObjectMissing,
    PathNotFound,
    Refused,
    RevisionNotFound,
)
from vfs.model.commit import StoredCommit
from vfs.model.entry import Kind
from vfs.repo.library import Library
from vfs.repo.refs import Refs
from vfs.repo.repos import create_repo
from vfsd.filesystem import FileSystem
from vfsd.node import FOREVER, NAME_SECONDS, NAMED, ROOT, Absent, Listed, Node, occupied
from vfsd.patience import Patience, WouldWait

ShowCommit = Callable[..., FileSystem]
Show = Callable[..., FileSystem]
Put = Callable[..., StoredCommit]


def at(files: FileSystem, path: str | bytes, start: int = ROOT) -> Node:
    """The node that a walk down `path` comes to."""
    node = files.node(start)
    for name in os.fsencode(path).split(b"/"):
        found = files.lookup(node.inode, name)
        assert isinstance(found, Node), f"{name!r} of {path!r} is not there"
        node = found
    return node


def names(files: FileSystem, inode: int) -> list[bytes]:
    """All names of a directory but `.` and `..`, listed as the kernel does."""
    found, cookie = [], 0
    while lines := files.listing(inode, cookie):
        found += [line.name for line in lines]
        cookie = lines[-1].cookie
    assert found[:2] == [b".", b".."]
    return found[2:]


@pytest.fixture
def tree(source: Path, put_source: Put) -> StoredCommit:
    """A small tree with one of everything."""
    (source / "dir" / "deep").mkdir(parents=True)
    (source / "dir" / "deep" / "file").write_text("deep content")
    (source / "empty").mkdir()
    (source / "plain").write_text("hello\n")
    (source / "plain").chmod(0o640)
    os.utime(source / "plain", ns=(1, 1_234_567_890_123_456_789))
    os.utime(source / "empty", ns=(1, -5_000_000_001))
    (source / "link").symlink_to("dangling/../x")
    (Path(os.fsdecode(os.fsencode(source) + b"/\xff\n")) / "").mkdir()
    return put_source()


def test_attributes_are_those_of_the_entries(tree: StoredCommit, show_commit: ShowCommit) -> None:
    files = show_commit(tree)
    plain, empty, link = (at(files, name).entry for name in ("plain", "empty", "link"))
    assert (plain.kind, plain.mode, plain.size, plain.mtime_ns) == (Kind.FILE, 0o640, 6, 1_234_567_890_123_456_789)
    assert (empty.kind, empty.mtime_ns) == (Kind.DIR, -5_000_000_001)
    assert (link.kind, link.size) == (Kind.SYMLINK, 13)
    assert files.readlink(at(files, "link").inode) == b"dangling/../x"
    assert at(files, b"\xff\n").entry.path == b"\xff\n"


def test_inode_is_the_row_plus_one(tree: StoredCommit, show_commit: ShowCommit, library: Library) -> None:
    files = show_commit(tree)
    for row, entry in library.tree(tree).rows():
        node = files.node(row + 1)
        assert (node.inode, node.entry.path) == (row + 1, entry.path)
        assert not entry.path or at(files, entry.path).inode == row + 1
    with pytest.raises(PathNotFound):
        files.node(10_000)
    with pytest.raises(PathNotFound):
        files.node(5 << 40)


def test_commits_hold_for_ever_and_so_does_absence(tree: StoredCommit, show_commit: ShowCommit) -> None:
    files = show_commit(tree)
    node = at(files, "dir")
    assert (node.name_seconds, node.attr_seconds) == (FOREVER, FOREVER)
    assert files.lookup(ROOT, b"none") == Absent(FOREVER)
    assert files.lookup(ROOT, b"x" * 255) == Absent(FOREVER)


def test_names_that_cannot_be(tree: StoredCommit, show_commit: ShowCommit) -> None:
    files = show_commit(tree)
    with pytest.raises(NameTooLong):
        files.lookup(ROOT, b"x" * 256)
    with pytest.raises(NotADirectory):
        files.lookup(at(files, "plain").inode, b"x")
    with pytest.raises(NotADirectory):
        files.listing(at(files, "plain").inode, 0)
    with pytest.raises(Refused):
        files.readlink(at(files, "plain").inode)
    with pytest.raises(IsADirectory):
        files.read(ROOT, 0, 10)


def test_dots_lead_where_they_should(tree: StoredCommit, show_commit: ShowCommit) -> None:
    files = show_commit(tree)
    deep = at(files, "dir/deep")
    assert files.lookup(deep.inode, b".") == deep
    assert files.lookup(deep.inode, b"..") == at(files, "dir")
    assert at(files, "dir/..").inode == ROOT
    assert at(files, "..").inode == ROOT


def test_listing_goes_on_from_any_line(source: Path, put_source: Put, show_commit: ShowCommit) -> None:
    count = 1100
    for number in range(count):
        (source / f"{number:04}").mkdir()
    files = show_commit(put_source())
    assert names(files, ROOT) == [b"%04d" % number for number in range(count)]
    lines, cookie = list[Listed](), 0
    while some := files.listing(ROOT, cookie):
        lines += some
        cookie = some[-1].cookie
    for line, following in pairwise(lines):
        assert files.listing(ROOT, line.cookie)[0] == following
    assert all(line.node == files.lookup(ROOT, line.name) for line in lines[2:])
    assert not files.listing(ROOT, lines[-1].cookie) and not files.listing(ROOT, 1 << 50)
    assert names(files, at(files, "0001").inode) == []


def test_content_of_any_range(source: Path, put_source: Put, show_commit: ShowCommit) -> None:
    data = bytes(range(256)) * 20_000
    (source / "big").write_bytes(data)
    (source / "small").write_bytes(b"tiny")
    (source / "nothing").write_bytes(b"")
    files = show_commit(put_source())
    big = at(files, "big").inode
    for offset, size in ((0, 10), (1_000_000, 1 << 20), (len(data) - 5, 100), (len(data), 10), (1 << 40, 10)):
        assert files.read(big, offset, size) == data[offset : offset + size]
    assert files.read(at(files, "small").inode, 1, 100) == b"iny"
    assert files.read(at(files, "nothing").inode, 0, 100) == b""


def test_xattrs(source: Path, put_source: Put, show_commit: ShowCommit) -> None:
    (source / "file").write_text("x")
    os.setxattr(source / "file", "user.colour", b"red\0")
    files = show_commit(put_source())
    inode = at(files, "file").inode
    assert files.xattrs(inode) == [b"user.colour"]
    assert files.xattr(inode, b"user.colour") == b"red\0"
    assert files.xattr(inode, b"security.capability") is None
    assert files.xattrs(ROOT) == []


def test_totals_are_those_of_the_commit(tree: StoredCommit, show_commit: ShowCommit, show: Show) -> None:
    totals = show_commit(tree).totals()
    assert (totals.entries, totals.size) == (tree.commit.entries, tree.commit.size)
    assert show("all").totals().entries == 0


def test_holes_occupy_nothing(source: Path, put_source: Put, show_commit: ShowCommit) -> None:
    with (source / "sparse").open("wb") as file:
        file.write(b"x" * 4096)
        file.truncate(64 << 20)
    files = show_commit(put_source())
    node = at(files, "sparse")
    assert node.entry.size == 64 << 20
    assert occupied(node.entry) <= 4 << 20
    assert files.read(node.inode, 50 << 20, 10) == bytes(10)


def test_a_path_of_a_commit_is_a_mount_of_its_own(tree: StoredCommit, show_commit: ShowCommit) -> None:
    files = show_commit(tree, b"dir")
    assert names(files, ROOT) == [b"deep"]
    assert files.read(at(files, "deep/file").inode, 0, 100) == b"deep content"
    assert at(files, "deep/..").inode == ROOT
    assert at(files, "..").inode == ROOT
    opened = files.opened(at(files, "deep/file").inode)
    assert (opened.repo, opened.commit) == ("r", tree.id)
    assert files.entry(at(files, "deep/file").inode).path == b"dir/deep/file"


def test_what_cannot_be_mounted_is_refused(tree: StoredCommit, show_commit: ShowCommit, show: Show) -> None:
    with pytest.raises(PathNotFound, match="r:none: no such path"):
        show_commit(tree, b"none")
    with pytest.raises(NotADirectory):
        show_commit(tree, b"plain")
    with pytest.raises(RevisionNotFound):
        show("rev", View("", "r", "00" * 32))
    with pytest.raises(PathNotFound):
        show("views", View("a", "r", tree.id.hex()), View("b", "r", tree.id.hex(), b"none"))


def test_views_stand_side_by_side(tree: StoredCommit, show: Show) -> None:
    id = tree.id.hex()
    files = show("views", View("whole", "r", id), View("part", "r", id, b"dir"), View("one", "r", id, b"plain"))
    assert names(files, ROOT) == [b"one", b"out", b"part", b"whole"]
    assert names(files, at(files, "out").inode) == []
    assert files.read(at(files, "one").inode, 0, 100) == b"hello\n"
    assert at(files, "part/deep/file").inode != at(files, "whole/dir/deep/file").inode
    assert files.entry(at(files, "part/deep/file").inode) == files.entry(at(files, "whole/dir/deep/file").inode)
    assert at(files, "part/..").inode == ROOT
    assert at(files, "part").name_seconds == FOREVER
    lines = files.listing(ROOT, 2)
    kinds = {line.name: line.node.entry.kind for line in lines}
    assert (kinds[b"one"], kinds[b"whole"], kinds[b"out"]) == (Kind.FILE, Kind.DIR, Kind.DIR)
    assert all(files.node(line.node.inode) == line.node for line in lines)


def test_everything_is_shown_by_repo_name_and_commit(tree: StoredCommit, library: Library, show: Show) -> None:
    create_repo(library, "other")
    Refs(library, "r").tags.create("v1", tree.id)
    files = show("all")
    assert names(files, ROOT) == [b"other", b"r"]
    assert names(files, at(files, "other").inode) == [b"@commits"]
    assert names(files, at(files, "other/@commits").inode) == []
    assert names(files, at(files, "r").inode) == [b"@commits", b"main", b"v1"]
    assert names(files, at(files, "r/@commits").inode) == [tree.id.hex().encode()]
    for way in ("main", "v1", f"@commits/{tree.id.hex()}"):
        assert files.read(at(files, f"r/{way}/plain").inode, 0, 100) == b"hello\n"
        assert at(files, f"r/{way}").inode >= NAMED
    assert at(files, "r/main/..").inode == at(files, "r").inode
    assert at(files, "r/@commits/..").inode == at(files, "r").inode
    ways = [f"main/{name}" for name in ("dir", "plain")] + [f"v1/{name}" for name in ("dir", "plain")]
    assert len({at(files, f"r/{way}").inode for way in ways}) == 4
    assert all(at(files, f"r/{way}").inode < 1 << 56 for way in ways)


@pytest.mark.parametrize("name", [b"none", b".git", b"x y", b"\xff", b"@commits", b"x" * 200])
def test_names_that_are_no_repo_or_branch_are_absent_for_a_moment(show: Show, library: Library, name: bytes) -> None:
    files = show("all")
    assert files.lookup(ROOT, name) == Absent(NAME_SECONDS)
    if name != b"@commits":
        assert files.lookup(at(files, "r").inode, name) == Absent(NAME_SECONDS)
    assert files.lookup(at(files, "r/@commits").inode, name) == Absent(NAME_SECONDS)


def test_a_branch_that_moves_shows_its_new_commit(source: Path, put_source: Put, show: Show) -> None:
    (source / "file").write_text("old")
    put_source()
    files = show("all")
    before = at(files, "r/main")
    assert before.name_seconds == NAME_SECONDS
    (source / "file").write_text("new")
    put_source()
    after = at(files, "r/main")
    assert after.inode != before.inode
    assert files.read(at(files, "r/main/file").inode, 0, 10) == b"new"
    assert files.read(at(files, "file", before.inode).inode, 0, 10) == b"old"


def test_a_branch_hides_a_tag_of_its_name(source: Path, put_source: Put, library: Library, show: Show) -> None:
    (source / "file").write_text("tagged")
    tagged = put_source()
    Refs(library, "r").tags.create("main", tagged.id)
    (source / "file").write_text("branch")
    put_source()
    files = show("all")
    assert names(files, at(files, "r").inode) == [b"@commits", b"main"]
    assert files.read(at(files, "r/main/file").inode, 0, 10) == b"branch"
    assert files.read(at(files, f"r/@commits/{tagged.id.hex()}/file").inode, 0, 10) == b"tagged"


def test_a_listing_of_branches_does_not_open_them(tree: StoredCommit, show: Show, library: Library) -> None:
    files = show("all")
    shutil.rmtree(Path(library.settings.store.removeprefix("file://")) / "packs")
    (line,) = [line for line in files.listing(at(files, "r").inode, 2) if line.name == b"main"]
    assert (line.node.entry.kind, line.node.attr_seconds) == (Kind.DIR, 0.0)
    with pytest.raises(ObjectMissing):
        files.node(line.node.inode)


def test_the_hurried_thread_is_never_kept_waiting(tree: StoredCommit, show: Show, patience: Patience) -> None:
    files = show("all")
    repo = at(files, "r").inode
    patience.hurry_this_thread()
    for wait in (
        lambda: files.lookup(ROOT, b"r"),
        lambda: files.listing(ROOT, 2),
        lambda: files.lookup(repo, b"main"),
        lambda: files.listing(repo, 2),
    ):
        with pytest.raises(WouldWait):
            wait()
    assert files.node(repo).entry.kind is Kind.DIR


def test_what_is_in_memory_is_answered_to_the_hurried(
    source: Path, put_source: Put, show_commit: ShowCommit, patience: Patience
) -> None:
    (source / "big").write_bytes(os.urandom(100_000))
    (source / "small").write_text("inline")
    files = show_commit(put_source())
    patience.hurry_this_thread()
    big = at(files, "big").inode
    assert files.read(at(files, "small").inode, 0, 10) == b"inline"
    with pytest.raises(WouldWait):
        files.read(big, 0, 10)


def test_damage_is_named_and_stays_where_it_is(
    source: Path, put_source: Put, show_commit: ShowCommit, library: Library
) -> None:
    for name in ("a", "b"):
        (source / name).write_bytes(os.urandom(300_000))
    stored = put_source()
    content = library.tree(stored).get(b"a").content
    assert not isinstance(content, bytes)
    ref = content.refs[0]
    (pack,) = Path(library.settings.store.removeprefix("file://")).glob(f"packs/*/{ref.pack.hex()}")
    damaged = bytearray(pack.read_bytes())
    damaged[ref.offset + 1000] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(damaged)
    files = show_commit(stored)
    with pytest.raises(Corrupt, match=rf"^a: .*{ref.pack.hex()}"):
        files.read(at(files, "a").inode, 0, 10)
    assert files.read(at(files, "b").inode, 0, 300_000) == (source / "b").read_bytes()
