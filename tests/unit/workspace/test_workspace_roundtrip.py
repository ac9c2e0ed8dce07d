"""A commit of a writable mount is what the mount showed: bytes, modes, mtimes, links, xattrs, nothing else."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from vfs.workspace import overlay
from vfs.workspace.marks import Flavour
from vfs.workspace.overlay import FUSE_OVERLAYFS, in_initial_namespace

pytestmark = pytest.mark.root
ORDINARY = 65534


def move(old: Path, new: Path) -> None:
    """As `mv` does it: a rename, or a copy where the overlay refuses to rename a directory of the commit."""
    try:
        old.rename(new)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.move(old, new)


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
    move(top / "big", top / "dir/sub/big-moved")
    move(top / "many/002.txt", top / "many/renamed")


def _rename_directory(top: Path) -> None:
    move(top / "move", top / "moved")
    move(top / "moved/two", top / "dir/two-here")
    (top / "moved/one").write_bytes(b"changed after the move")
    (top / "moved/fresh").write_bytes(b"new in it")


def _rename_and_take_its_place(top: Path) -> None:
    move(top / "dir", top / "old-dir")
    (top / "dir").mkdir()
    (top / "dir/plain").write_bytes(b"another")
    move(top / "old-dir/sub", top / "dir/sub")
    (top / "dir/sub/deep/file").unlink()


def _swap_directories(top: Path) -> None:
    move(top / "dir", top / "tmp")
    move(top / "move", top / "dir")
    move(top / "tmp", top / "move")


def _chain(top: Path) -> None:
    """Directories moved into one another, and the attributes of what is in them changed on the way."""
    move(top / "dir/sub", top / "sub")
    move(top / "move/two", top / "sub/two")
    move(top / "sub", top / "move/sub")
    (top / "move/sub/two/three").chmod(0o640)
    move(top / "move", top / "dir/move")
    move(top / "dir/move/sub/other", top / "dir/other")


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
        # fuse-overlayfs keeps names that begin with .wh. to itself.
        with suppress(OSError), open(os.path.join(base, name), "wb") as file:
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


def name_of(change: Callable[[Path], None]) -> str:
    return change.__name__.strip("_")


@pytest.mark.parametrize("change", CASES, ids=name_of)
def test_the_commit_is_what_the_mount_showed(world, source: Path, change: Callable[[Path], None]) -> None:
    world.put(source)
    layer = world.mount()
    assert layer.flavour() is (Flavour.KERNEL if in_initial_namespace() else Flavour.USER)
    change(world.shown)
    assert world.status(layer)
    assert world.round_trip(layer).changed


FUSE_CASES = [_write_new, _remove, _replace_directory, _directory_to_file, _rename_directory, _names, _xattrs]


@pytest.mark.skipif(shutil.which(FUSE_OVERLAYFS) is None, reason=f"{FUSE_OVERLAYFS} is not installed")
@pytest.mark.parametrize("change", FUSE_CASES, ids=name_of)
def test_the_same_where_the_kernel_refuses_and_fuse_overlayfs_mounts(
    world, source: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(overlay.syscalls, "mount", refuse)
    world.put(source)
    layer = world.mount()
    assert layer.flavour() is Flavour.FUSE
    change(world.shown)
    assert world.status(layer)
    assert world.round_trip(layer).changed
    (world.shown / "later").write_bytes(b"later")
    assert [out.path for out in world.commit(layer).outputs] == [b"later"]


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


@pytest.mark.timeout(200)
def test_all_of_it_in_a_user_namespace(tmp_path: Path) -> None:
    """An ordinary user who is root in a namespace of their own, as in a rootless container: `userxattr`, no marks."""
    if not in_initial_namespace():
        pytest.skip("we are in one already")
    for path in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        # pytest makes its directories for their owner alone.
        os.chmod(path, 0o755 if path != tmp_path else 0o777)
    words = ["setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups", "unshare", "-rm"]
    probe = subprocess.run([*words, "true"], capture_output=True, timeout=20, check=False)
    if probe.returncode:
        pytest.skip(f"no user namespaces here: {probe.stderr.decode().strip()}")
    tests = [sys.executable, "-m", "pytest", "-q", "-k", "showed or one_by_one", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(
        [*words, *tests, f"--basetemp={tmp_path}/inner"],
        capture_output=True,
        timeout=180,
        check=False,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stdout.decode()[-4000:] + done.stderr.decode()[-1000:]
    assert b"23 passed" in done.stdout
