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
