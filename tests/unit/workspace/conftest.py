"""A commit, a read-only directory that shows it, and writable mounts over that."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from vfs.config.settings import default_settings
from vfs.model.commit import StoredCommit
from vfs.model.entry import Entry, Kind
from vfs.model.revision import parse_revision
from vfs.repo.library import Library
from vfs.repo.put import put
from vfs.repo.repos import create_repo
from vfs.repo.resolve import Resolved, resolve
from vfs.repo.sources import parse_source
from vfs.workspace.attach import attach_layer
from vfs.workspace.commit import LayerCommit, commit_layer
from vfs.workspace.compare import LayerChange
from vfs.workspace.layer import Layer
from vfs.workspace.marks import Flavour
from vfs.workspace.overlay import Overlay, mount_overlay
from vfs.workspace.status import status

Listing = dict[bytes, tuple[object, ...]]
FUSE_SECONDS = 1.1


def listing(top: Path) -> Listing:
    """Everything below a directory, itself as b"": kind, mode, mtime, content or target, user xattrs."""
    found: Listing = {b"": _described(os.fsencode(top))}
    base = os.fsencode(top)
    for directory, names, files in os.walk(base):
        for name in [*names, *files]:
            path = os.path.join(directory, name)
            described = _described(path)
            if described is not None:
                found[os.path.relpath(path, base)] = described
    return found


def without_directory_times(found: Listing) -> Listing:
    return {path: values[:2] + values[3:] if values[0] == "dir" else values for path, values in found.items()}


def _described(path: bytes) -> tuple[object, ...] | None:
    status_ = os.lstat(path)
    mode = stat.S_IMODE(status_.st_mode) & 0o1777
    xattrs = tuple(
        (name, os.getxattr(path, name, follow_symlinks=False))
        for name in sorted(os.listxattr(path, follow_symlinks=False))
        if name.startswith("user.") and not name.startswith(("user.overlay.", "user.fuseoverlayfs."))
    )
    if stat.S_ISREG(status_.st_mode):
        with open(path, "rb") as file:
            return "file", mode, status_.st_mtime_ns, file.read(), xattrs
    if stat.S_ISLNK(status_.st_mode):
        return "link", 0o777, status_.st_mtime_ns, os.readlink(path), ()
    if stat.S_ISDIR(status_.st_mode):
        return "dir", mode, status_.st_mtime_ns, b"", xattrs
    return None


def materialise(library: Library, stored: StoredCommit, target: Path) -> None:
    """The tree of a commit as ordinary files; directories last, deepest first, for their modes and mtimes."""
    top, directories = os.fsencode(target), []
    for entry in library.tree(stored).walk():
        path = os.path.join(top, entry.path) if entry.path else top
        if entry.kind is Kind.DIR:
            os.mkdir(path)
            directories.append((path, entry))
        elif entry.kind is Kind.SYMLINK:
            os.symlink(entry.target, path)
            os.utime(path, ns=(1, entry.mtime_ns), follow_symlinks=False)
        else:
            with open(path, "wb") as file:
                for piece in library.files.stream(entry):
                    file.write(piece)
            _dress(path, entry)
    for path, entry in reversed(directories):
        _dress(path, entry)


def _dress(path: bytes, entry: Entry) -> None:
    for name, value in entry.xattrs:
        os.setxattr(path, name, value)
    os.chmod(path, entry.mode)
    os.utime(path, ns=(1, entry.mtime_ns))


@dataclass
class World:
    """One store with a repo `data`, and mounts of it. `shown` is where the writable mount appears."""

    top: Path
    library: Library
    mounted: list[Overlay] = field(default_factory=list)
    serial: int = 0

    @property
    def shown(self) -> Path:
        return self.top / "mnt"

    def put(self, source: Path, revision: str = "data@main") -> None:
        words = [parse_source(f"{source}/")]
        assert put(self.library, parse_revision(revision), words, ignoring=False).stored is not None

    def resolved(self, revision: str = "data@main") -> Resolved:
        return resolve(self.library, parse_revision(revision))

    def exported(self, revision: str) -> Path:
        """The tree of a revision as ordinary files."""
        self.serial += 1
        target = self.top / f"tree{self.serial}"
        materialise(self.library, self.resolved(revision).stored, target)
        return target

    def layer(self, revision: str = "data@main") -> Layer:
        self.shown.mkdir(exist_ok=True)
        return attach_layer(self.library, self.resolved(revision), str(self.shown)).layer

    def mount(self, revision: str = "data@main") -> Layer:
        """A writable mount of a revision, or of the layer that is there already."""
        layer = self.layer(revision)
        lower = self.exported(f"{layer.base.repo}@{layer.base.commit}")
        self.mounted.append(mount_overlay(str(lower), layer, str(self.shown)))
        return layer

    def unmount(self) -> None:
        self.mounted.pop().unmount()

    def commit(self, layer: Layer, **words: Any) -> LayerCommit:
        return commit_layer(self.library, layer, message="test", **words)

    def status(self, layer: Layer) -> list[tuple[str, bytes]]:
        changes: list[LayerChange] = status(self.library, layer)
        return [(change.what.value, change.path) for change in changes]

    def round_trip(self, layer: Layer) -> LayerCommit:
        """Commit, and check that the commit is what the mount showed; then nothing is left to commit.

        Where nothing but mtimes of directories changed, there is no commit, and those are not compared.
        """
        before = listing(self.shown)
        done = self.commit(layer)
        after = listing(self.exported("data@main"))
        if done.changed and layer.flavour() is Flavour.FUSE:
            # What fuse-overlayfs told the kernel of a directory may be a second old.
            time.sleep(FUSE_SECONDS)
            before = listing(self.shown)
        if done.changed:
            assert after == before
        else:
            assert without_directory_times(after) == without_directory_times(before)
        assert listing(self.shown) == before
        assert self.status(layer) == []
        return done

    def close(self) -> None:
        for overlay in self.mounted:
            subprocess.run(["umount", "-l", overlay.target], timeout=10, check=False, capture_output=True)
        self.library.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    settings = default_settings(
        store=f"file://{tmp_path}/store",
        state_dir=str(tmp_path / "state"),
        cache_dir=str(tmp_path / "cache"),
        author="tester@example.org",
    )
    library = Library.create(settings)
    create_repo(library, "data")
    made = World(tmp_path, library)
    yield made
    made.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A tree with every kind of entry, sizes from nothing to several chunks, and names that are not text."""
    top = tmp_path / "source"
    write = _writer(top)
    for number in range(30):
        write(f"many/{number:03}.txt", b"line %d\n" % number * (number * 7))
    write("dir/sub/deep/file", b"deep")
    write("dir/sub/other", b"other" * 300)
    write("dir/plain", b"plain")
    write("move/one", b"1" * 1000)
    write("move/two/three", b"3" * 2000)
    write("big", bytes(range(256)) * 16384)
    write("run.sh", b"#!/bin/sh\necho hi\n", mode=0o755)
    write("empty-file", b"")
    write(os.fsdecode(b"bad-\xff-name"), b"name")
    (top / "empty").mkdir()
    (top / "link").symlink_to("dir/plain")
    (top / "dangling").symlink_to("nowhere/at/all")
    (top / "dirlink").symlink_to("dir")
    os.setxattr(top / "dir/plain", "user.note", b"kept")
    os.setxattr(top / "dir", "user.dir-note", b"kept too")
    os.utime(top / "link", ns=(1, 1_234_567_890_123_456_789), follow_symlinks=False)
    for path in [*top.rglob("*"), top]:
        if not path.is_symlink():
            os.utime(path, ns=(1, 1_500_000_000_000_000_001))
    return top


def _writer(top: Path) -> Callable[..., None]:
    def write(name: str, data: bytes, *, mode: int = 0o644) -> None:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)

    return write
