"""An export is what was put: bytes, modes, mtimes, symlinks, holes, xattrs; and it stays inside its target."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from vfs.errors import AlreadyExists, Corrupt, LocalIOError, NotADirectory, NotFound, PathNotFound
from vfs.model.entry import Entry, Kind
from vfs.model.revision import parse_revision
from vfs.repo.commit import commit_tree
from vfs.repo.export import export
from vfs.repo.library import Library
from vfs.repo.resolve import resolve
from vfs.tree.build import build

State = dict[bytes, tuple[object, ...]]


def state_of(top: Path) -> State:
    """All that an export has to keep of a directory, by relative path."""
    found: State = {}
    base = os.fsencode(top)
    for here, dirs, files in os.walk(base):
        for name in [b".", *dirs, *files] if here == base else [*dirs, *files]:
            path = os.path.join(here, name)
            status = os.lstat(path)
            kept: tuple[object, ...] = (stat.S_IFMT(status.st_mode), status.st_mtime_ns)
            if stat.S_ISLNK(status.st_mode):
                kept += (os.readlink(path),)
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    kept += (stat.S_IMODE(status.st_mode), file.read())
            else:
                kept += (stat.S_IMODE(status.st_mode),)
            found[os.path.relpath(path, base)] = kept
    return found


def odd_tree(work: Path) -> Path:
    top = work / "top"
    (top / "sub/empty").mkdir(parents=True)
    (top / "sub/run").write_bytes(b"#!/bin/sh\n" * 100)
    (top / "sub/run").chmod(0o755)
    (top / "large").write_bytes(os.urandom(20 << 20))
    (top / "none").write_bytes(b"")
    for number in range(300):
        (top / f"sub/f{number}").write_bytes(os.urandom(number * 7))
    (top / "link").symlink_to("sub/run")
    (top / "out").symlink_to("/etc")
    with open(os.fsencode(top) + b"/\xff\n", "wb") as file:
        file.write(b"odd")
    (top / "closed").mkdir()
    (top / "closed/in").write_bytes(b"x")
    (top / "closed").chmod(0o500)
    os.utime(top / "link", ns=(1, 1_600_000_000_000_000_007), follow_symlinks=False)
    os.utime(top / "sub/run", ns=(1, 1_234_567_890_123_456_789))
    os.utime(top / "sub/empty", ns=(1, 5))
    os.utime(top, ns=(1, 1_500_000_000_000_000_001))
    return top


def test_an_export_is_what_was_put(library: Library, put_paths, work: Path, tmp_path: Path) -> None:
    top = odd_tree(work)
    put_paths("r", f"{top}/")
    done = export(library, resolve(library, parse_revision("r")), tmp_path / "out")
    assert state_of(tmp_path / "out") == state_of(top)
    assert done.entries == len(state_of(top)) and not done.warnings
    (tmp_path / "out/closed").chmod(0o700)


def test_what_is_put_again_from_an_export_is_the_same_tree(library: Library, put_paths, work: Path, tmp_path) -> None:
    put_paths("r", f"{odd_tree(work)}/")
    export(library, resolve(library, parse_revision("r")), tmp_path / "out")
    assert not put_paths("r", f"{tmp_path}/out/").changed


def test_a_directory_and_a_file_of_a_revision(library: Library, put_paths, work: Path, tmp_path: Path) -> None:
    top = odd_tree(work)
    put_paths("r", top)
    export(library, resolve(library, parse_revision("r:top/sub")), tmp_path / "sub")
    assert state_of(tmp_path / "sub") == state_of(top / "sub")
    for name in ("large", "link"):
        (tmp_path / name).mkdir()
        export(library, resolve(library, parse_revision(f"r:top/{name}")), tmp_path / name)
        assert os.listdir(tmp_path / name) == [name]
    assert (tmp_path / "large/large").read_bytes() == (top / "large").read_bytes()


def test_holes_are_holes_again(library: Library, put_paths, work: Path, tmp_path: Path) -> None:
    with open(work / "sparse", "wb") as file:
        file.write(b"head")
        file.seek(1 << 30)
        file.write(b"middle")
        file.truncate(3 << 30)
    put_paths("r", work / "sparse")
    export(library, resolve(library, parse_revision("r")), tmp_path / "out")
    status = (tmp_path / "out/sparse").stat()
    assert status.st_size == 3 << 30
    assert status.st_blocks * 512 < 16 << 20
    with open(tmp_path / "out/sparse", "rb") as file:
        file.seek((1 << 30) - 1)
        assert file.read(8) == b"\0middle\0"


def test_xattrs(library: Library, put_paths, work: Path, tmp_path: Path) -> None:
    (work / "f").write_bytes(b"x")
    try:
        os.setxattr(work / "f", "user.note", b"\0\xff")
    except OSError as error:
        pytest.skip(f"no user xattrs here: {error}")
    put_paths("r", work / "f")
    export(library, resolve(library, parse_revision("r")), tmp_path / "out")
    assert os.getxattr(tmp_path / "out/f", "user.note") == b"\0\xff"


def test_targets_that_cannot_be(library: Library, put_paths, work: Path, tmp_path: Path) -> None:
    (work / "f").write_bytes(b"x")
    put_paths("r", work / "f")
    resolved = resolve(library, parse_revision("r"))
    with pytest.raises(AlreadyExists, match="not empty"):
        export(library, resolved, work)
    with pytest.raises(NotADirectory):
        export(library, resolved, work / "f")
    with pytest.raises(NotFound, match="the directory above it does not exist"):
        export(library, resolved, tmp_path / "no/where")
    with pytest.raises(PathNotFound):
        export(library, resolve(library, parse_revision("r:nope")), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_hostile_tree_stays_inside(library: Library, tmp_path: Path) -> None:
    writer = library.writer()
    bad = [
        Entry(path=b"", kind=Kind.DIR, mode=0o755, mtime_ns=0),
        Entry(path=b"way", kind=Kind.SYMLINK, mode=0o777, mtime_ns=0, size=2, target=os.fsencode(tmp_path)),
        Entry(path=b"way/out", kind=Kind.SYMLINK, mode=0o777, mtime_ns=0, size=1, target=b"x"),
    ]
    root = build(writer, bad)
    commit_tree(
        library, repo="r", branch="main", root=root, base=None, author="", message="", record=None, writer=writer
    )
    with pytest.raises((LocalIOError, Corrupt)):
        export(library, resolve(library, parse_revision("r")), tmp_path / "target")
    assert not os.path.lexists(tmp_path / "out")


def test_a_full_disk_is_named(library: Library, put_paths, work: Path, tmp_path: Path, monkeypatch) -> None:
    (work / "f").write_bytes(os.urandom(1000))
    put_paths("r", work / "f")

    def full(fd: int, data: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vfs.repo.placer.os.write", full)
    with pytest.raises(LocalIOError, match=r"out/f: cannot be written: no space left"):
        export(library, resolve(library, parse_revision("r")), tmp_path / "out")
