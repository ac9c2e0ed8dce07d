"""Moves among the changes of a writable mount: files and whole directories, by marks and by content."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from vfs.errors import Busy
from vfs.workspace import overlay, renames
from vfs.workspace.marks import Flavour
from vfs.workspace.overlay import FUSE_OVERLAYFS
from vfs.workspace.status import status
from vfs.workspace.writers import wait_for_writers

pytestmark = pytest.mark.root


def _told(world, layer) -> set[tuple[str, bytes, bytes]]:
    """Letter, path, and for a move the path it had."""
    found = status(world.library, layer)
    assert all((change.old is not None and change.old.path != change.path) or change.what.value != "R"
               for change in found)  # fmt: skip
    return {
        (change.what.value, change.path, change.old.path if change.what.value == "R" and change.old else b"")
        for change in found
    }


def test_a_moved_file_is_one_change_and_mode_alone_is_another(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "big").rename(world.shown / "dir/large")
    (world.shown / "run.sh").chmod(0o700)
    os.utime(world.shown / "dir/plain", ns=(1, 1))
    os.setxattr(world.shown / "many/007.txt", "user.seen", b"yes")
    assert _told(world, layer) == {
        ("R", b"dir/large", b"big"),
        ("P", b"run.sh", b""),
        ("P", b"dir/plain", b""),
        ("P", b"many/007.txt", b""),
    }
    world.round_trip(layer)


def test_a_moved_directory_is_one_change_and_what_differs_inside_is_told_at_its_new_place(world, source) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "many").rename(world.shown / "few")
    (world.shown / "few/003.txt").write_bytes(b"other")
    (world.shown / "few/004.txt").unlink()
    (world.shown / "few/new").write_bytes(b"new")
    (world.shown / "few/005.txt").chmod(0o600)
    assert _told(world, layer) == {
        ("R", b"few", b"many"),
        ("M", b"few/003.txt", b""),
        ("D", b"many/004.txt", b""),
        ("A", b"few/new", b""),
        ("P", b"few/005.txt", b""),
    }
    world.round_trip(layer)


def test_directories_moved_out_of_one_another(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "dir").rename(world.shown / "place")
    (world.shown / "place/sub").rename(world.shown / "move/sub")
    (world.shown / "move/sub/deep/file").write_bytes(b"changed")
    assert _told(world, layer) == {
        ("R", b"place", b"dir"), ("R", b"move/sub", b"dir/sub"), ("M", b"move/sub/deep/file", b""),
    }  # fmt: skip


def test_a_copied_and_removed_directory_was_moved(world, source: Path) -> None:
    """As mv does where the file system refuses to rename, and as fuse-overlayfs does."""
    world.put(source)
    layer = world.mount()
    shutil.copytree(world.shown / "move", world.shown / "dir/moved", symlinks=True)
    shutil.rmtree(world.shown / "move")
    assert _told(world, layer) == {("R", b"dir/moved", b"move")}


def test_a_directory_moved_again_after_a_commit_comes_from_where_the_commit_has_it(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "many").rename(world.shown / "few")
    world.commit(layer)
    (world.shown / "few").rename(world.shown / "some")
    assert _told(world, layer) == {("R", b"some", b"few")}


def test_equal_files_are_paired_by_name_and_each_once(world, source: Path) -> None:
    (source / "a").mkdir()
    for name in ("a/x", "a/y"):
        (source / name).write_bytes(b"the same" * 10)
    world.put(source)
    layer = world.mount()
    for old, new in (("a/x", "z"), ("a/y", "dir/y")):
        (world.shown / old).rename(world.shown / new)
    (world.shown / "third").write_bytes(b"the same" * 10)
    assert _told(world, layer) == {
        ("R", b"dir/y", b"a/y"), ("R", b"third", b"a/x"), ("A", b"z", b""),
    }  # fmt: skip


def test_nothing_is_a_move_without_content_or_beyond_the_files_looked_at(world, source, monkeypatch) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "empty-file").rename(world.shown / "nothing")
    (world.shown / "empty").rename(world.shown / "hollow")
    (world.shown / "move/two/three").rename(world.shown / "three")
    shutil.rmtree(world.shown / "move")
    # An empty directory of the commit that was renamed carries a mark; an empty file nothing to know it by.
    expected = {("A", b"nothing", b""), ("D", b"empty-file", b""), ("R", b"hollow", b"empty"), ("D", b"move", b"")}
    assert _told(world, layer) == {*expected, ("R", b"three", b"move/two/three")}
    monkeypatch.setattr(renames, "_BELOW_MAX", 1)
    assert _told(world, layer) == {*expected, ("A", b"three", b"")}


@pytest.mark.skipif(shutil.which(FUSE_OVERLAYFS) is None, reason=f"{FUSE_OVERLAYFS} is not installed")
def test_moves_and_writers_where_fuse_overlayfs_mounts(world, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(overlay.syscalls, "mount", refuse)
    world.put(source)
    layer = world.mount()
    assert layer.flavour() is Flavour.FUSE
    # The rename is refused there; this copies and removes.
    shutil.move(world.shown / "move", world.shown / "dir/moved")
    (world.shown / "big").rename(world.shown / "large")
    assert _told(world, layer) == {("R", b"dir/moved", b"move"), ("R", b"large", b"big")}
    with open(world.shown / "run.sh", "ab") as file:
        file.write(b"exit\n")
        file.flush()
        with pytest.raises(Busy, match=r"/run\.sh: still open for writing"):
            wait_for_writers(world.library, layer, 0.2)
    wait_for_writers(world.library, layer, 5.0)
