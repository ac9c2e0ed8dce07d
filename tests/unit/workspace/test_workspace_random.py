"""Random work in a writable mount, with commits and remounts in between: each commit is what the mount showed."""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from vfs.errors import Busy, Refused
from vfs.model.entry import Kind
from vfs.model.ids import digest_of
from vfs.workspace.compare import What
from vfs.workspace.selection import Selection
from vfs.workspace.status import status

pytestmark = pytest.mark.root

NAMES = ["a", "b", "c", "dir", "many", "move", "x.txt", "sub", "two"]
STEPS = 60
SEEDS = [int(text) for text in os.environ.get("VFS_TEST_SEEDS", "1 2 3 4").split()]


class Worker:
    """Does one random thing after another below a directory; what the system refuses is passed over."""

    def __init__(self, top: Path, seed: int) -> None:
        self.top = top
        self.random = random.Random(seed)
        self.done: list[str] = []

    def step(self) -> None:
        actions: list[Callable[[], None]] = [
            self.write, self.write, self.append, self.remove, self.make, self.move, self.move, self.move,
            self.chmod, self.touch, self.link, self.symlink, self.swap, self.xattr,
        ]  # fmt: skip
        action = self.random.choice(actions)
        try:
            action()
        except OSError as error:
            self.note(action.__name__, error.strerror or "")

    def note(self, *words: object) -> None:
        self.done.append(" ".join(map(str, words)))

    def all(self) -> list[Path]:
        found = sorted(self.top.rglob("*"))
        return [path for path in found if not any(parent.is_symlink() for parent in path.parents)]

    def some(self) -> Path:
        return self.random.choice(self.all() or [self.top])

    def directory(self) -> Path:
        found = [path for path in self.all() if path.is_dir() and not path.is_symlink()]
        return self.random.choice([self.top, *found])

    def fresh(self) -> Path:
        return self.directory() / self.random.choice(NAMES)

    def write(self) -> None:
        path = self.fresh()
        self.note("write", path)
        path.write_bytes(self.random.randbytes(self.random.choice([0, 10, 600, 5000])))

    def append(self) -> None:
        path = self.some()
        self.note("append", path)
        with open(path, "ab") as file:
            file.write(b"+" * self.random.randint(1, 50))

    def remove(self) -> None:
        path = self.some()
        self.note("remove", path)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def make(self) -> None:
        path = self.fresh()
        self.note("make", path)
        path.mkdir(mode=self.random.choice([0o755, 0o700]))

    def move(self) -> None:
        old, new = self.some(), self.fresh()
        self.note("move", old, new)
        os.rename(old, new)

    def swap(self) -> None:
        """A directory or file moved away and another put in its place."""
        path, aside = self.some(), self.top / "aside"
        self.note("swap", path)
        os.rename(path, aside)
        other = self.some()
        self.note("swap in", other)
        os.rename(other, path)

    def chmod(self) -> None:
        path = self.some()
        self.note("chmod", path)
        if not path.is_symlink():
            path.chmod(
                self.random.choice([0o700, 0o755, 0o711]) if path.is_dir() else self.random.choice([0o600, 0o644])
            )

    def touch(self) -> None:
        path = self.some()
        self.note("touch", path)
        os.utime(path, ns=(1, self.random.randint(1, 1 << 60)), follow_symlinks=False)

    def link(self) -> None:
        old, new = self.some(), self.fresh()
        self.note("link", old, new)
        os.link(old, new, follow_symlinks=False)

    def symlink(self) -> None:
        path = self.fresh()
        self.note("symlink", path)
        path.symlink_to(self.random.choice(NAMES))

    def xattr(self) -> None:
        path = self.some()
        self.note("xattr", path)
        if not path.is_symlink():
            os.setxattr(path, f"user.n{self.random.randint(1, 3)}", self.random.randbytes(3))


@pytest.mark.parametrize("seed", SEEDS)
def test_random_work_is_committed_as_shown(world, source: Path, seed: int) -> None:
    world.put(source)
    layer = world.mount()
    worker = Worker(world.shown, seed)
    try:
        for _ in range(STEPS):
            worker.step()
            if worker.random.random() < 0.15:
                world.round_trip(layer)
                worker.note("commit")
            if worker.random.random() < 0.05:
                world.unmount()
                layer = world.mount()
                worker.note("remount")
        world.round_trip(layer)
    except BaseException as error:
        error.add_note("\n".join(worker.done))
        raise


def _kinds(world) -> dict[bytes, Kind]:
    """Paths of the last commit, each of which lies in a directory."""
    tree = world.library.tree(world.resolved().stored)
    kinds = {entry.path: entry.kind for entry in tree.walk()}
    assert all(kinds[path.rpartition(b"/")[0]] is Kind.DIR for path in kinds if path)
    return kinds


@pytest.mark.parametrize("seed", SEEDS)
def test_random_work_is_committed_in_parts(world, source: Path, seed: int) -> None:
    """What is chosen is as the mount shows it, the rest as it was, and a commit of all ends as the mount."""
    world.put(source)
    layer = world.mount()
    worker = Worker(world.shown, seed)
    try:
        for _ in range(STEPS // 5):
            for _ in range(5):
                worker.step()
            include = worker.random.sample(NAMES, worker.random.choice([0, 2]))
            exclude = worker.random.sample(NAMES, worker.random.choice([0, 1, 3]))
            worker.note("commit", include, exclude)
            selection = Selection(include, exclude)
            before = _kinds(world)
            world.commit(layer, selection=selection)
            after = _kinds(world)
            shown = _shown(world.shown)
            left = {path for path in after if not selection.takes(path, directory=after[path] is Kind.DIR)}
            holding = {above for path in left for above in _above(path)}
            for path in {*before, *after, *shown} - {b""}:
                if selection.takes(path, directory=False):
                    assert after.get(path) is shown.get(path) or path in holding, path
                elif path in before and before[path] is not Kind.DIR:
                    # Nothing takes it away but a file that was chosen, in place of a directory above it.
                    assert path in after or any(after.get(above) is not Kind.DIR for above in _above(path)), path
        world.round_trip(layer)
    except BaseException as error:
        error.add_note("\n".join(worker.done))
        raise


def _shown(top: Path) -> dict[bytes, Kind]:
    """All paths below a directory."""
    found = {}
    for directory, names, files in os.walk(os.fsencode(top)):
        for name in [*names, *files]:
            path = os.path.join(directory, name)
            kind = Kind.SYMLINK if os.path.islink(path) else Kind.DIR if os.path.isdir(path) else Kind.FILE
            found[os.path.relpath(path, os.fsencode(top))] = kind
    return found


def _above(path: bytes) -> list[bytes]:
    names = path.split(b"/")
    return [b"/".join(names[:count]) for count in range(1, len(names))]


@pytest.mark.parametrize("seed", SEEDS)
def test_moves_told_of_random_work_are_moves(world, source: Path, seed: int) -> None:
    """What a move is from is gone, what it is to is new, and each path is accounted for once."""
    world.put(source)
    layer = world.mount()
    worker = Worker(world.shown, seed)
    before = _kinds(world)
    for _ in range(STEPS // 3):
        for _ in range(3):
            worker.step()
        changes = status(world.library, layer)
        paths = [change.path for change in changes]
        assert len(paths) == len(set(paths)), worker.done
        moved = {change.path: change.old.path for change in changes if change.what is What.RENAMED and change.old}
        assert len(moved) == len(set(moved.values())) and not set(moved.values()) & set(paths), worker.done
        for new, old in moved.items():
            assert new not in before and old in before, worker.done
            assert not os.path.lexists(os.path.join(os.fsencode(world.shown), old)), worker.done


@pytest.mark.parametrize("seed", SEEDS)
def test_commits_during_random_work_are_sound_trees(world, source: Path, seed: int) -> None:
    """Whatever goes on meanwhile: a commit is refused or a tree in which every entry lies in a directory."""
    world.put(source)
    layer = world.mount()
    stop = threading.Event()

    def work() -> None:
        worker = Worker(world.shown, seed)
        while not stop.is_set():
            worker.step()

    thread = threading.Thread(target=work)
    thread.start()
    done = 0
    try:
        for _ in range(12):
            try:
                stored = world.commit(layer).stored
            except (Busy, Refused):
                continue
            done += 1
            kinds = {entry.path: entry.kind for entry in world.library.tree(stored).walk()}
            for path in kinds:
                assert not path or kinds[path.rpartition(b"/")[0]] is Kind.DIR, path
            for entry in world.library.tree(stored).walk():
                if entry.kind is Kind.FILE:
                    assert digest_of(b"".join(world.library.files.stream(entry))) == entry.digest, entry.path
    finally:
        stop.set()
        thread.join()
    assert done
    world.round_trip(layer)
