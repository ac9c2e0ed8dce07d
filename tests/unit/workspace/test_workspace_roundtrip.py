"""A commit of a writable mount is what the mount showed: bytes, modes, mtimes, links, xattrs, nothing else."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from vfs.workspace.marks import Flavour

pytestmark = pytest.mark.root


def _touch_only(top: Path) -> None:
    os.utime(top / "dir/plain", ns=(5, 1_600_000_000_000_000_002))


def _chmod_file(top: Path) -> None:
    (top / "big").chmod(0o600)
    (top / "run.sh").chmod(0o711)


def _chmod_directory(top: Path) -> None:
    (top / "dir/sub").chmod(0o700)


def _xattrs(top: Path) -> None:
    os.setxattr(top / "many/003.txt", "user.label", b"\x00\xff")
    os.setxattr(top / "many", "user.d", b"")
    os.removexattr(top / "dir/plain", "user.note")


def _write_new(top: Path) -> None:
    (top / "new").mkdir()
    (top / "new/a").write_bytes(b"a" * 700_000)
    (top / "new/empty").mkdir(mode=0o711)
    (top / "new/l").symlink_to("../big")


def _append(top: Path) -> None:
    with open(top / "big", "ab") as file:
        file.write(b"more")


def _truncate(top: Path) -> None:
    os.truncate(top / "big", 100)
    os.truncate(top / "many/005.txt", 1 << 22)


def _same_size(top: Path) -> None:
    """Another content with the size and mtime of the old one, as `cp -p` of a twin gives it."""
    before = os.stat(top / "dir/plain")
    (top / "dir/plain").write_bytes(b"PLAIN")
    os.utime(top / "dir/plain", ns=(1, before.st_mtime_ns))


def _remove(top: Path) -> None:
    (top / "many/001.txt").unlink()
    (top / "link").unlink()
    (top / "empty").rmdir()
    shutil.rmtree(top / "dir/sub")


def _replace_directory(top: Path) -> None:
    shutil.rmtree(top / "dir")
    (top / "dir").mkdir(mode=0o750)
    (top / "dir/sub").mkdir()
    (top / "dir/sub/fresh").write_bytes(b"fresh")


def _file_to_directory(top: Path) -> None:
    (top / "big").unlink()
    (top / "big").mkdir()
    (top / "big/in").write_bytes(b"in")


def _directory_to_file(top: Path) -> None:
    shutil.rmtree(top / "move")
    (top / "move").write_bytes(b"now a file")
    shutil.rmtree(top / "many")
    (top / "many").symlink_to("move")


def _rename_file(top: Path) -> None:
    (top / "big").rename(top / "dir/sub/big-moved")
    (top / "many/002.txt").rename(top / "many/renamed")


def _rename_directory(top: Path) -> None:
    (top / "move").rename(top / "moved")
    (top / "moved/two").rename(top / "dir/two-here")
    (top / "moved/one").write_bytes(b"changed after the move")
    (top / "moved/fresh").write_bytes(b"new in it")


def _rename_and_take_its_place(top: Path) -> None:
    (top / "dir").rename(top / "old-dir")
    (top / "dir").mkdir()
    (top / "dir/plain").write_bytes(b"another")
    (top / "old-dir/sub").rename(top / "dir/sub")
    (top / "dir/sub/deep/file").unlink()


def _swap_directories(top: Path) -> None:
    (top / "dir").rename(top / "tmp")
    (top / "move").rename(top / "dir")
    (top / "tmp").rename(top / "move")


def _chain(top: Path) -> None:
    """Directories moved into one another, and the attributes of what is in them changed on the way."""
    (top / "dir/sub").rename(top / "sub")
    (top / "move/two").rename(top / "sub/two")
    (top / "sub").rename(top / "move/sub")
    (top / "move/sub/two/three").chmod(0o640)
    (top / "move").rename(top / "dir/move")
    (top / "dir/move/sub/other").rename(top / "dir/other")


def _hard_links(top: Path) -> None:
    os.link(top / "big", top / "dir/big-too")
    (top / "n").write_bytes(b"linked")
    os.link(top / "n", top / "many/n2")
    (top / "many/004.txt").chmod(0o600)
    os.link(top / "many/004.txt", top / "four")


def _root_directory(top: Path) -> None:
    top.chmod(0o751)
    os.setxattr(top, "user.root", b"r")
    (top / "x").write_bytes(b"x")
    os.utime(top, ns=(1, 1_700_000_000_000_000_003))


def _names(top: Path) -> None:
    base = os.fsencode(top)
    for name in (b"\xfe\xff", b"new\nline", b"-rf", b"a" * 255, b".wh.user", b"\x01\x02", b"..."):
        with open(os.path.join(base, name), "wb") as file:
            file.write(name)
    os.rename(os.path.join(base, b"bad-\xff-name"), os.path.join(base, b"\x01bad"))


def _holes(top: Path) -> None:
    with open(top / "sparse", "wb") as file:
        file.truncate(1 << 26)
        file.seek(1 << 25)
        file.write(b"island")


def _deep(top: Path) -> None:
    path = os.fsencode(top)
    for _ in range(60):
        path = os.path.join(path, b"d")
        os.mkdir(path)
    with open(os.path.join(path, b"bottom"), "wb") as file:
        file.write(b"down here")


CASES = [
    _touch_only,
    _chmod_file,
    _chmod_directory,
    _xattrs,
    _write_new,
    _append,
    _truncate,
    _same_size,
    _remove,
    _replace_directory,
    _file_to_directory,
    _directory_to_file,
    _rename_file,
    _rename_directory,
    _rename_and_take_its_place,
    _swap_directories,
    _chain,
    _hard_links,
    _root_directory,
    _names,
    _holes,
    _deep,
]


@pytest.mark.parametrize("change", CASES, ids=lambda change: change.__name__.strip("_"))
def test_the_commit_is_what_the_mount_showed(world, source: Path, change: Callable[[Path], None]) -> None:
    world.put(source)
    layer = world.mount()
    assert layer.flavour() is Flavour.KERNEL
    change(world.shown)
    assert world.status(layer)
    done = world.round_trip(layer)
    assert done.changed


def test_changes_upon_changes_are_committed_one_by_one(world, source: Path) -> None:
    """Every change on top of all earlier ones in one mount, each committed, each commit exact."""
    world.put(source)
    layer = world.mount()
    for change in (
        _write_new,
        _rename_directory,
        _chmod_file,
        _remove,
        _append,
        _hard_links,
        _replace_directory,
        _root_directory,
        _holes,
    ):
        change(world.shown)
        assert world.round_trip(layer).changed, change.__name__
    shutil.rmtree(world.shown / "new")
    (world.shown / "n").unlink()
    assert world.round_trip(layer).changed


def test_sockets_and_fifos_are_left_out_and_counted(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    os.mkfifo(world.shown / "pipe")
    (world.shown / "dir/plain").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(world.shown / "dir/plain"))
    (world.shown / "real").write_bytes(b"real")
    done = world.commit(layer)
    assert done.warnings == ("1 fifo: skipped, a tree holds none", "1 socket: skipped, a tree holds none")
    names = [entry.path for entry in world.library.tree(done.stored).walk()]
    assert b"real" in names and b"pipe" not in names and b"dir/plain" not in names


def test_a_directory_whose_mtime_alone_changed_is_no_change(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "dir/temporary").write_bytes(b"")
    (world.shown / "dir/temporary").unlink()
    assert world.status(layer) == []
    done = world.commit(layer)
    assert not done.changed and done.id == world.resolved().stored.id
