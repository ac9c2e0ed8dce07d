"""Call 1, 2, … N of the store fails: of a put, a commit of a layer, a mount and reads. Old or new, never between."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.failingstore import FailingStore

from vfs.config.settings import Settings, default_settings
from vfs.control.spec import MountSpec, View, new_id
from vfs.errors import StoreTimeout, VfsError
from vfs.metrics.counters import Registry
from vfs.model.ids import Digest
from vfs.model.revision import parse_revision
from vfs.repo.history import log
from vfs.repo.library import Library
from vfs.repo.put import put
from vfs.repo.repos import create_repo
from vfs.repo.resolve import Resolved, resolve
from vfs.repo.sources import parse_source
from vfs.repo.verify import verify
from vfs.store.local import LocalStore
from vfs.workspace.attach import attach_layer
from vfs.workspace.commit import commit_layer
from vfsd.filesystem import FileSystem, build_filesystem
from vfsd.node import ROOT, Node
from vfsd.patience import Patience
from vfsd.trees import Trees

MAIN = parse_revision("r")
# More calls than any of these operations makes.
MANY = 60


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return default_settings(
        store=f"file://{tmp_path}/store",
        state_dir=str(tmp_path / "state"),
        cache_dir=str(tmp_path / "cache"),
        author="tester@example.org",
        jobs=2,
    )


@pytest.fixture
def sound(settings: Settings, tmp_path: Path) -> Iterator[Library]:
    """The library as it is when nothing fails, with one commit on main."""
    with Library.create(settings) as library:
        create_repo(library, "r")
        write(tmp_path / "first", "first")
        put(library, MAIN, [parse_source(f"{tmp_path}/first/")])
        yield library


def write(directory: Path, word: str) -> None:
    """Small and inline files, one of several chunks, directories: more than one pack, none of it as before."""
    (directory / "deep" / "er").mkdir(parents=True)
    (directory / "deep" / "er" / "inline").write_text(word)
    (directory / "deep" / f"named-{word}").write_bytes(word.encode() * 1000 + os.urandom(5000))
    (directory / "large").write_bytes(os.urandom(5 << 20))


def failing(settings: Settings, at: int, *, after: bool) -> tuple[Library, FailingStore]:
    store = FailingStore(LocalStore(settings.store.removeprefix("file://")), fail_at=at, after=after)
    return Library(store, settings), store


def head(library: Library) -> Resolved:
    return resolve(library, MAIN)


def check(library: Library, *, parents: int) -> None:
    """The branch has so many commits before its head, and the head is sound."""
    assert len(list(log(library, head(library)))) == parents + 1
    report = verify(library, head(library))
    assert report.ok, report.damages


def every_call(
    settings: Settings,
    sound: Library,
    *,
    after: bool,
    act: Callable[[Library, int], object],
    tip: Callable[[int], Digest],
) -> int:
    """Fail call 1, 2, … of `act` until all of them come to pass; how many there are."""
    for number in range(1, MANY):
        before = head(sound).stored.id
        library, store = failing(settings, number, after=after)
        with library:
            try:
                act(library, number)
            except StoreTimeout as error:
                assert "fails as planned" in str(error)
            except VfsError as error:
                pytest.fail(f"call {number}, {store.calls[-1]}: {type(error).__name__}: {error}")
        if not store.failed:
            return len(store.calls)
        now = head(sound).stored
        assert now.id == before or now.commit.parents == (before,), f"call {number}: {store.calls[number - 1]}"
        act(sound, number)
        stored = head(sound).stored
        assert stored.id == tip(number)
        assert now.id in (before, stored.id), "run again, it makes no second commit of the same"
        assert stored.commit.parents == (before,)
        assert verify(sound, head(sound)).ok
    raise AssertionError("it makes no end of calls")


@pytest.mark.parametrize("after", [False, True], ids=["not-done", "answer-lost"])
def test_a_put_of_which_a_call_fails(settings: Settings, sound: Library, tmp_path: Path, after: bool) -> None:
    made: dict[int, Digest] = {}

    def act(library: Library, number: int) -> None:
        source = tmp_path / f"source{number}"
        if not source.exists():
            write(source, f"word{number}")
        result = put(library, MAIN, [parse_source(f"{source}/")])
        assert result.stored is not None
        made[number] = result.stored.id

    calls = every_call(settings, sound, after=after, act=act, tip=made.__getitem__)
    # The branch twice, the commit, the packs and the list of those that are there: none of them was left out.
    assert calls >= 7
    check(sound, parents=calls + 1)


@pytest.mark.parametrize("after", [False, True], ids=["not-done", "answer-lost"])
def test_a_commit_of_a_layer_of_which_a_call_fails(
    settings: Settings, sound: Library, tmp_path: Path, after: bool
) -> None:
    layer = attach_layer(sound, head(sound), str(tmp_path / "mnt")).layer
    upper = layer.directory / "upper"
    made: dict[int, Digest] = {}

    def act(library: Library, number: int) -> None:
        directory = upper / f"added{number}"
        if not directory.exists():
            write(directory, f"word{number}")
        made[number] = commit_layer(library, layer, message="test").id
        assert (directory / "deep" / "er" / "inline").read_text() == f"word{number}"

    calls = every_call(settings, sound, after=after, act=act, tip=made.__getitem__)
    assert calls >= 7
    check(sound, parents=calls + 1)


def shown(library: Library, settings: Settings, commit: Digest, point: Path) -> FileSystem:
    spec = MountSpec(
        id=new_id(), mountpoint=str(point), kind="rev", settings=settings, views=(View("", "r", commit.hex()),)
    )
    return build_filesystem(spec, Trees(library, Patience(), Registry()))


def read_all(files: FileSystem, inode: int, path: bytes) -> dict[bytes, bytes]:
    """Content by path of all that lies below a directory, asked for as the kernel asks."""
    found, cookie = dict[bytes, bytes](), 0
    while lines := files.listing(inode, cookie):
        cookie = lines[-1].cookie
        for line in lines:
            if line.name not in (b".", b".."):
                node = files.lookup(inode, line.name)
                assert isinstance(node, Node)
                below = path + b"/" + line.name
                entry = node.entry
                if entry.kind.name == "DIR":
                    found |= read_all(files, node.inode, below)
                else:
                    found[below] = b"".join(files.read(node.inode, at, 1 << 20) for at in range(0, entry.size, 1 << 20))
    return found


def test_a_mount_and_reads_of_which_a_call_fails(settings: Settings, sound: Library, tmp_path: Path) -> None:
    commit = head(sound).stored.id
    expected = {
        b"/" + os.fsencode(path.relative_to(tmp_path / "first")): path.read_bytes()
        for path in (tmp_path / "first").rglob("*")
        if path.is_file()
    }
    for number in range(1, MANY):
        library, store = failing(settings, number, after=False)
        with library:
            try:
                files = shown(library, settings, commit, tmp_path)
            except StoreTimeout:
                files = shown(library, settings, commit, tmp_path)
            try:
                assert read_all(files, ROOT, b"") == expected
            except StoreTimeout as error:
                # What a program gets: never that a file is not there.
                assert error.errno == errno.EIO
            # The same mount, a moment later.
            assert read_all(files, ROOT, b"") == expected
        if not store.failed:
            break
    # The commit, its page, and the chunks of the files.
    assert len(store.calls) >= 4
