"""A mount of a run foresees what it reads; other mounts do not."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import msgspec
import pytest
import trio

from vfs.control.spec import MountSpec, View
from vfs.journal.events import ReadsSeen
from vfs.journal.log import Journal
from vfs.journal.session import begin_session, end_session
from vfs.metrics.counters import Registry
from vfs.model.commit import StoredCommit
from vfs.repo.library import Library
from vfsd.again import AT_WORK, Again
from vfsd.bring import Bringer
from vfsd.filesystem import FileSystem, build_filesystem
from vfsd.levers import Means, levers
from vfsd.mounted import MountedTree
from vfsd.node import ROOT, Node
from vfsd.patience import Patience
from vfsd.push import Pusher
from vfsd.trees import Trees

FILES, SIZE = 60, 20_000
COMMAND, CWD = (b"python", b"train.py"), b"/home"


class Mount:
    """The parts of a mount that read ahead. `pages`: what the kernel was given, by inode."""

    def __init__(self, spec: MountSpec, library: Library) -> None:
        counters = Registry()
        self.pages: dict[int, bytes] = {}
        self.troubles: list[str] = []
        self.means = Means()
        trees = Trees(library, Patience(), counters)
        self.files: FileSystem = build_filesystem(spec, trees)
        self.prefetcher = trees.prefetcher(self.troubles.append)
        self.pusher = Pusher(self._take, counters, refused=print)
        self.again = Again(spec, self.files, Bringer(self.prefetcher, trees.blobs, self.pusher), self.means)

    def _take(self, files: Sequence[tuple[int, bytes]]) -> list[int]:
        self.pages.update(files)
        return [0] * len(files)

    def close(self) -> None:
        self.prefetcher.close()
        assert self.pusher.close()
        assert not self.troubles

    @property
    def lever(self) -> str:
        return levers(self.means)["prefetch"]

    def node(self, *names: bytes) -> Node:
        inode = ROOT
        for name in names:
            node = self.files.lookup(inode, name)
            assert isinstance(node, Node)
            inode = node.inode
        return self.files.node(inode)

    def read(self, *names: bytes) -> bool:
        """Read a file that is not in memory; whether it was its turn."""
        node = self.node(*names)
        part = self.files.tree_of(node.inode)
        assert isinstance(part, MountedTree)
        return self.again.note(part, node.entry, waited=True)


@pytest.fixture
def stored(source: Path, put_source: Callable[..., StoredCommit]) -> StoredCommit:
    for directory in ("a", "b"):
        (source / directory).mkdir()
        for number in range(FILES):
            (source / directory / f"{number:03}").write_bytes(Random(f"{directory}{number}").randbytes(SIZE))
    return put_source()


@pytest.fixture
def order() -> list[bytes]:
    """The files of `a`, shuffled."""
    paths = [b"a/%03d" % number for number in range(FILES)]
    Random(1).shuffle(paths)
    return paths


@pytest.fixture
def spec(make_spec: Callable[..., MountSpec], stored: StoredCommit, order: list[bytes]) -> MountSpec:
    """A mount for a run whose command ran before; that one read the files of `a`."""
    spec = make_spec("views", View("data", "r", stored.id.hex()))
    with Journal.open(spec.settings.state_dir) as journal:
        before, now = (begin_session(journal, kind="run", command=COMMAND, cwd=CWD, environment={}) for _ in range(2))
        reads = tuple((1, 0, path, b"d" * 32) for path in order)
        journal.append([ReadsSeen(session=before, sources=(("r", stored.id),), reads=reads)])
        end_session(journal, before)
    return msgspec.structs.replace(spec, session=now)


async def until(true: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not true():
            await trio.sleep(0.005)


async def test_the_first_files_are_there_before_anything_is_read(
    spec: MountSpec, library: Library, order: list[bytes], source: Path
) -> None:
    mount = Mount(spec, library)
    assert mount.lever == "on"
    mount.again.begin()
    await until(lambda: mount.lever == AT_WORK and len(mount.pages) >= 10)
    inodes = {mount.node(b"data", *path.split(b"/")).inode: path for path in order[:16]}
    for inode, data in mount.pages.items():
        assert data == (source / os.fsdecode(inodes[inode])).read_bytes()
    before = len(mount.pages)
    assert all(mount.read(b"data", *path.split(b"/")) for path in order[:14])
    await until(lambda: len(mount.pages) > before)
    assert all(mount.read(b"data", *path.split(b"/")) for path in order[14:])
    assert mount.lever == "on", "read to its end"
    mount.close()


async def test_who_reads_something_else_is_left_to_others(spec: MountSpec, library: Library) -> None:
    mount = Mount(spec, library)
    mount.again.begin()
    await until(lambda: mount.lever == AT_WORK)
    assert not any(mount.read(b"data", b"b", b"%03d" % number) for number in range(20))
    assert mount.lever == "on"
    mount.close()


async def test_of_a_part_of_a_commit_only_that_is_foreseen(
    spec: MountSpec, library: Library, stored: StoredCommit, order: list[bytes]
) -> None:
    views = (View("a", "r", stored.id.hex(), b"a"), View("b", "r", stored.id.hex(), b"b"))
    mount = Mount(msgspec.structs.replace(spec, views=views), library)
    mount.again.begin()
    await until(lambda: mount.lever == AT_WORK)
    assert mount.read(b"a", order[0].removeprefix(b"a/"))
    assert not mount.read(b"b", order[0].removeprefix(b"a/"))
    mount.close()


async def test_nothing_is_foreseen_without_a_run(spec: MountSpec, library: Library) -> None:
    with Journal.open(spec.settings.state_dir) as journal:
        other = begin_session(journal, kind="run", command=(*COMMAND, b"-v"), cwd=CWD, environment={})
    for session in ("", other):
        mount = Mount(msgspec.structs.replace(spec, session=session), library)
        mount.again.begin()
        await trio.sleep(0.2)
        assert mount.lever == "on" and not mount.pages
        assert not mount.read(b"data", b"a", b"000")
        mount.close()
