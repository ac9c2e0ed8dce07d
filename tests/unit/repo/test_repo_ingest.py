"""Odd files: what is kept exactly, what is left out by name, what is skipped and counted."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vfs.errors import LocalIOError
from vfs.model.entry import ChunkList, Kind
from vfs.repo import stable, walk
from vfs.repo.directory import Directory
from vfs.repo.ingest import scan_entry
from vfs.repo.library import Library
from vfs.repo.stable import Unreadable, read_stable


def test_names_of_any_bytes(put_paths, content, work: Path) -> None:
    names = [b"\xff\xfe", b"new\nline", b"-dash", b"...", b"x" * 255, b"\x01\x02", "ü".encode(), b"u\xcc\x88", b"a\\b"]
    for name in names:
        with open(os.fsencode(work) + b"/" + name, "wb") as file:
            file.write(name)
        os.mkdir(os.fsencode(work) + b"/" + name[:254] + b"d")
        with open(os.fsencode(work) + b"/" + name[:254] + b"d/in", "wb") as file:
            file.write(name)
    put_paths("r", f"{work}/")
    for name in names:
        assert content("r", name) == name
        assert content("r", name[:254] + b"d/in") == name


def test_modes_mtimes_symlinks_and_empty_directories(put_paths, entries, work: Path) -> None:
    (work / "run").write_bytes(b"#!/bin/sh\n")
    (work / "run").chmod(0o711)
    os.utime(work / "run", ns=(1, -1_000_000_001))
    (work / "empty").mkdir(mode=0o700)
    (work / "none").write_bytes(b"")
    for name, target in (("rel", "run"), ("abs", "/etc/passwd"), ("dangling", "no/where"), ("loop", "loop")):
        (work / name).symlink_to(target)
    put_paths("r", f"{work}/")
    found = entries("r")
    assert (found[b"run"].mode, found[b"run"].mtime_ns) == (0o711, -1_000_000_001)
    assert (found[b"empty"].kind, found[b"empty"].mode) == (Kind.DIR, 0o700)
    assert (found[b"none"].size, found[b"none"].content) == (0, b"")
    assert [found[name].target for name in (b"rel", b"abs", b"dangling", b"loop")] == [
        b"run",
        b"/etc/passwd",
        b"no/where",
        b"loop",
    ]
    assert found[b"abs"].size == 11


def test_holes_are_kept(put_paths, entries, content, work: Path) -> None:
    for name, size in (("large", 3 << 30), ("small", 200_000)):
        with open(work / name, "wb") as file:
            file.write(b"head")
            file.seek(size // 2)
            file.write(b"middle")
            file.truncate(size)
    result = put_paths("r", f"{work}/")
    found = entries("r")
    assert found[b"large"].size == 3 << 30
    large = found[b"large"].content
    assert isinstance(large, ChunkList)
    assert sum(ref.length for ref in large.refs if not ref.digest) > (3 << 30) - (1 << 20)
    assert result.stats.bytes_new < 1 << 20
    assert content("r", b"small") == (work / "small").read_bytes()


def test_user_xattrs_are_kept_and_those_of_overlayfs_are_not(put_paths, entries, work: Path) -> None:
    (work / "f").write_bytes(b"x")
    try:
        os.setxattr(work / "f", "user.note", b"\0\xff")
    except OSError as error:
        pytest.skip(f"no user xattrs here: {error}")
    os.setxattr(work / "f", "user.overlay.origin", b"x")
    os.setxattr(work, "user.dir", b"d")
    put_paths("r", f"{work}/")
    assert entries("r")[b"f"].xattrs == ((b"user.note", b"\0\xff"),)
    assert entries("r")[b""].xattrs == ((b"user.dir", b"d"),)


def test_sockets_and_fifos_are_skipped_and_setuid_stripped_with_a_count(put_paths, entries, work: Path) -> None:
    os.mkfifo(work / "fifo1")
    os.mkfifo(work / "fifo2")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(work)
        try:
            listening.bind("sock")
        finally:
            os.chdir(here)
    (work / "suid").write_bytes(b"x")
    (work / "suid").chmod(0o4755)
    result = put_paths("r", f"{work}/")
    assert result.warnings == (
        "2 fifos: skipped, a tree holds none",
        "1 setuid or setgid bit: stripped",
        "1 socket: skipped, a tree holds none",
    )
    assert not result.failures
    assert list(entries("r")) == [b"", b"suid"]
    assert entries("r")[b"suid"].mode == 0o755


def test_what_vanishes_or_keeps_changing_is_named_and_the_rest_committed(
    put_paths, entries, work: Path, monkeypatch
) -> None:
    for name in ("gone", "changing", "stays", "large"):
        (work / name).write_bytes(name.encode() * 200)
    with open(work / "large", "r+b") as file:
        file.truncate(1 << 20)
        file.write(os.urandom(1 << 20))
    real = stable.read_stable

    def meddling(parent: Directory, name: bytes, read):
        if name == b"gone":
            (work / "gone").unlink(missing_ok=True)

        def reader(fd: int, status: os.stat_result):
            result = read(fd, status)
            if name in (b"changing", b"large"):
                with open(work / os.fsdecode(name), "ab") as file:
                    file.write(b"more")
            return result

        return real(parent, name, reader)

    monkeypatch.setattr("vfs.repo.loading.read_stable", meddling)
    monkeypatch.setattr("vfs.repo.ingest.read_stable", meddling)
    result = put_paths("r", f"{work}/")
    assert {(os.path.basename(failure.path), failure.cause) for failure in result.failures} == {
        (b"gone", "it vanished before it was read"),
        (b"changing", "it changed each time it was read"),
        (b"large", "it changed each time it was read"),
    }
    assert list(entries("r")) == [b"", b"stays"]


def test_a_file_that_changes_once_is_read_again(put_paths, content, work: Path, monkeypatch) -> None:
    (work / "f").write_bytes(b"old" * 1000)
    changed = threading.Event()
    real = stable.read_stable

    def meddling(parent: Directory, name: bytes, read):
        def reader(fd: int, status: os.stat_result):
            result = read(fd, status)
            if not changed.is_set():
                changed.set()
                (work / "f").write_bytes(b"new")
            return result

        return real(parent, name, reader)

    monkeypatch.setattr("vfs.repo.loading.read_stable", meddling)
    monkeypatch.setattr("vfs.repo.ingest.read_stable", meddling)
    assert not put_paths("r", f"{work}/").failures
    assert content("r", b"f") == b"new"


def test_a_file_swapped_for_a_symlink_is_not_followed(work: Path) -> None:
    (work / "secret").write_bytes(b"secret")
    (work / "link").symlink_to("secret")
    os.mkfifo(work / "fifo")
    directory = Directory.at_path(os.fsencode(work))
    for name in (b"link", b"fifo"):
        with pytest.raises(Unreadable, match="replaced by something else"):
            read_stable(directory, name, lambda fd, status: os.read(fd, 100))


def test_a_directory_swapped_for_a_symlink_is_not_entered(put_paths, entries, work: Path, monkeypatch) -> None:
    (work / "outside").mkdir()
    (work / "outside/secret").write_bytes(b"x")
    (work / "in/d").mkdir(parents=True)
    real = walk._reopened

    def swapping(frames):
        if (work / "in/d").is_dir() and not (work / "in/d").is_symlink():
            (work / "in/d").rmdir()
            (work / "in/d").symlink_to(work / "outside")
        return real(frames)

    monkeypatch.setattr(walk, "_reopened", swapping)
    result = put_paths("r", work / "in")
    assert [os.path.basename(failure.path) for failure in result.failures] == [b"d"]
    assert not any(b"secret" in path for path in entries("r"))


def test_nothing_is_stored_below_a_directory_that_was_lost(put_paths, entries, work: Path, monkeypatch) -> None:
    (work / "in/d/e").mkdir(parents=True)
    (work / "in/d/e/f").write_bytes(b"x")
    (work / "in/z").write_bytes(b"z")
    from vfs.repo import loading

    real = loading._load_directory

    def vanishing(found):
        if found.name == b"d":
            raise FileNotFoundError(2, "No such file or directory")
        return real(found)

    monkeypatch.setattr(loading, "_load_directory", vanishing)
    result = put_paths("r", work / "in")
    assert [os.path.basename(failure.path) for failure in result.failures] == [b"d"]
    assert list(entries("r")) == [b"", b"in", b"in/z"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_named(put_paths, entries, work: Path) -> None:
    (work / "f").write_bytes(b"x")
    (work / "f").chmod(0)
    (work / "d").mkdir(mode=0)
    result = put_paths("r", f"{work}/")
    assert [os.path.basename(failure.path) for failure in result.failures] == [b"d", b"f"]


@pytest.fixture
def deep_work(work: Path) -> Iterator[Path]:
    """As `work`, taken away with all below it: pytest's own clean-up recurses, and ends at a thousand levels."""
    yield work
    subprocess.run(["rm", "-rf", "--", work], check=True, timeout=60)


def deep(work: Path, depth: int) -> bytes:
    """`depth` nested directories called d with a file f in each; the path of the last one."""
    here = os.open(work, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(b"d", dir_fd=here)
        below = os.open(b"d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
        os.close(os.open(b"f", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    return b"/".join([b"d"] * depth)


def test_a_thousand_levels_deep(put_paths, entries, deep_work: Path) -> None:
    path = deep(deep_work, 1000)
    assert not put_paths("r", f"{deep_work}/").failures
    found = entries("r")
    assert len(found) == 2001
    assert found[path + b"/f"].kind is Kind.FILE


def test_descriptors_stay_few_however_deep_and_bushy(put_paths, entries, work: Path, monkeypatch) -> None:
    monkeypatch.setattr(walk, "OPEN_DEPTH", 3)
    here = work
    for _ in range(12):
        for name in ("a", "b", "c"):
            (here / name).mkdir()
            (here / name / "f").write_bytes(b"x")
        here = here / "b"
    assert not put_paths("r", f"{work}/").failures
    assert len(entries("r")) == 1 + 12 * 6


def test_a_path_that_is_too_long_is_named_and_the_rest_goes_on(put_paths, entries, work: Path) -> None:
    here = os.open(work, os.O_RDONLY)
    for _ in range(17):
        os.mkdir(b"n" * 250, dir_fd=here)
        below = os.open(b"n" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (work / "ok").write_bytes(b"x")
    result = put_paths("r", f"{work}/")
    assert [failure.cause for failure in result.failures] == ["its path in the tree has 4266 bytes, 4095 allowed"]
    assert b"ok" in entries("r") and len(entries("r")) == 18


def test_a_hundred_thousand_names_in_one_directory(put_paths, library: Library, work: Path) -> None:
    for number in range(100_000):
        os.mknod(work / f"{number:06}", stat.S_IFREG | 0o644)
    result = put_paths("r", f"{work}/")
    assert result.stored.commit.entries == 100_001
    names = [entry.name for _, entry in library.tree(result.stored).children(b"")]
    assert names == sorted(names) and len(names) == 100_000


def test_one_path_for_a_workspace(library: Library, work: Path) -> None:
    (work / "f").write_bytes(b"content" * 100)
    (work / "link").symlink_to("f")
    os.mkfifo(work / "fifo")
    writer = library.writer()
    entry = scan_entry(writer, os.fsencode(work / "f"), b"a/b")
    writer.flush()
    assert (entry.path, entry.kind) == (b"a/b", Kind.FILE)
    assert library.files.read(entry, 0, 1000) == b"content" * 100
    assert scan_entry(writer, os.fsencode(work / "link"), b"l").target == b"f"
    assert scan_entry(writer, os.fsencode(work), b"d").kind is Kind.DIR
    with pytest.raises(LocalIOError, match="fifo"):
        scan_entry(writer, os.fsencode(work / "fifo"), b"x")
    with pytest.raises(LocalIOError, match="missing: cannot be read: no such file"):
        scan_entry(writer, os.fsencode(work / "missing"), b"x")
