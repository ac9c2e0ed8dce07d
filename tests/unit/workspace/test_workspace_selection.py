"""Commits of a part of the changes: patterns of the call, and what `.vfsignore` keeps out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from vfs.errors import Busy, Refused, UsageError
from vfs.model.entry import Links
from vfs.repo.patterns import PATTERNS_MAX, Patterns
from vfs.workspace.attach import attach_layer
from vfs.workspace.ignore import SIZE_MAX
from vfs.workspace.selection import Selection
from vfs.workspace.status import status
from vfs.workspace.writers import wait_for_writers

pytestmark = pytest.mark.root


def _paths(world) -> set[bytes]:
    stored = world.resolved().stored
    return {entry.path for entry in world.library.tree(stored).walk() if entry.path}


def _outputs(world, layer, *include: str, exclude: tuple[str, ...] = (), ignoring: bool = True) -> set[bytes]:
    done = world.commit(layer, selection=Selection(include, exclude, ignoring=ignoring))
    return {output.path for output in done.outputs}


def test_what_is_left_out_stays_a_change_and_is_taken_by_the_next_commit(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "new/deep").mkdir(parents=True)
    (world.shown / "new/deep").chmod(0o750)
    for name in ("new/deep/a.txt", "new/deep/b.tmp", "new/c.txt", "top.txt"):
        (world.shown / name).write_bytes(name.encode())
    (world.shown / "run.sh").chmod(0o700)
    (world.shown / "big").unlink()
    taken = _outputs(world, layer, "new/", exclude=("*.tmp", "new/c.txt"))
    assert taken == {b"new", b"new/deep", b"new/deep/a.txt"}
    tree = world.library.tree(world.resolved().stored)
    assert tree.get(b"new/deep").mode == 0o750 and tree.find(b"big") is not None
    assert world.status(layer) == [
        ("D", b"big"), ("P", b"run.sh"), ("A", b"top.txt"), ("A", b"new/c.txt"), ("A", b"new/deep/b.tmp"),
    ]  # fmt: skip
    world.round_trip(layer)


def test_new_directories_above_what_is_taken_come_along(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "x/y").mkdir(parents=True)
    (world.shown / "x/y/z.txt").write_bytes(b"z")
    (world.shown / "x/other").write_bytes(b"o")
    (world.shown / "run.sh").unlink()
    (world.shown / "run.sh").mkdir()
    (world.shown / "run.sh/in.txt").write_bytes(b"in")
    assert _outputs(world, layer, "*.txt") == {b"x", b"x/y", b"x/y/z.txt", b"run.sh", b"run.sh/in.txt"}
    assert world.status(layer) == [("A", b"x/other")]
    world.round_trip(layer)


def test_a_removed_directory_keeps_what_is_left_out(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    shutil.rmtree(world.shown / "dir")
    assert _outputs(world, layer, exclude=("dir/sub/deep/",)) == {b"dir/plain", b"dir/sub/other"}
    assert {path for path in _paths(world) if path.startswith(b"dir/")} == {
        b"dir/sub", b"dir/sub/deep", b"dir/sub/deep/file",
    }  # fmt: skip
    assert world.status(layer) == [("D", b"dir")]
    world.round_trip(layer)


def test_a_moved_directory_in_part_and_then_the_rest(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "many").rename(world.shown / "few")
    assert b"few/001.txt" in _outputs(world, layer, "/few/")
    assert {b"many/001.txt", b"few/001.txt"} <= _paths(world)
    assert world.status(layer) == [("D", b"many")]
    # Now the mount shows less than the commit; a second commit has nothing to take but that.
    assert _outputs(world, layer, "/many/") == {b"many"}
    assert world.status(layer) == []


def test_nothing_chosen_makes_no_commit(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "new").write_bytes(b"1")
    assert not world.commit(layer, selection=Selection(["nowhere"])).changed
    assert not world.commit(layer, selection=Selection((), ["*"])).changed
    assert world.status(layer) == [("A", b"new")]


def test_what_is_new_and_ignored_is_neither_shown_nor_committed(world, source: Path) -> None:
    (source / ".vfsignore").write_text("# build products\n*.o\n!keep.o\n/out/\n\n")
    (source / "dir/.vfsignore").write_text("*.log\n!wanted.o\n")
    (source / "dir/old.o").write_bytes(b"a commit has it")
    world.put(source)
    layer = world.mount()
    (world.shown / "out/deep").mkdir(parents=True)
    for name in ("a.o", "keep.o", "out/x", "out/deep/y", "dir/b.o", "dir/wanted.o", "dir/c.log", "c.log"):
        (world.shown / name).write_bytes(name.encode())
    (world.shown / "dir/old.o").write_bytes(b"so changes of it count")
    counted = {b"keep.o", b"dir/wanted.o", b"c.log", b"dir/old.o"}
    assert {path for _, path in world.status(layer)} == counted
    hidden = [change.path for change in status(world.library, layer, ignored=True) if change.what.value == "I"]
    assert hidden == [b"a.o", b"out", b"dir/b.o", b"dir/c.log"]
    assert _outputs(world, layer) == counted
    assert world.status(layer) == [] and b"out" not in _paths(world)
    # Not committed, so not lost either: the layer is mounted again, not replaced.
    world.unmount()
    assert attach_layer(world.library, world.resolved(), str(world.shown)).resumed
    world.mount()
    assert (world.shown / "out/deep/y").read_bytes() == b"out/deep/y"
    assert _outputs(world, layer, ignoring=False) == {b"a.o", b"out", b"out/x", b"out/deep", b"out/deep/y",
                                                      b"dir/b.o", b"dir/c.log"}  # fmt: skip
    assert status(world.library, layer, ignored=True) == []


def test_ignored_in_a_new_directory_and_after_a_change_of_the_rules(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "proj").mkdir()
    (world.shown / "proj/.vfsignore").write_bytes(b"t*\n" + b"bad-\xff\n")
    for name in (b"proj/tmp", b"proj/kept", b"proj/bad-\xff"):
        Path(os.fsdecode(os.fsencode(world.shown) + b"/" + name)).write_bytes(name)
    assert _outputs(world, layer) == {b"proj", b"proj/.vfsignore", b"proj/kept"}
    (world.shown / "proj/.vfsignore").write_bytes(b"")
    assert world.status(layer) == [("M", b"proj/.vfsignore"), ("A", b"proj/bad-\xff"), ("A", b"proj/tmp")]


def test_a_bad_vfsignore_is_named_in_one_line(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "dir/new").write_bytes(b"n")
    rules = world.shown / "dir/.vfsignore"
    for content, error, words in (
        (b"x\n" * (SIZE_MAX // 2 + 1), Refused, "more than the 65536"),
        (b"x\n" * (PATTERNS_MAX + 1), UsageError, "at most 2000"),
        (b"fine\n!x\n" + b"a*" * 20, UsageError, "line 3.*more than 6 wildcards"),
        (b"y" * 1001, UsageError, "1001 characters"),
        (b"ends with\\\n", UsageError, "not a pattern"),
    ):
        rules.write_bytes(content)
        for act in (lambda: status(world.library, layer), lambda: world.commit(layer)):
            with pytest.raises(error, match=words) as caught:
                act()
            assert "dir/.vfsignore" in str(caught.value) and "\n" not in str(caught.value)
    rules.unlink()
    rules.symlink_to("/etc/passwd")
    assert world.commit(layer).changed


def test_patterns_are_those_of_gitignore() -> None:
    patterns = Patterns(["/top", "a/**/b", "dir/", "!dir2"], where="here")
    says = {path: patterns.says(path, directory=False) for path in (b"top", b"x/top", b"a/x/y/b", b"dir", b"dir/x")}
    assert says == {b"top": True, b"x/top": None, b"a/x/y/b": True, b"dir": None, b"dir/x": True}
    assert patterns.says(b"dir", directory=True) and patterns.says(b"dir2", directory=False) is False
    with pytest.raises(UsageError, match=r"--include: 'x.*not a pattern"):
        Selection(["x\\"])


def test_a_writer_is_waited_for_and_named_when_it_does_not_end(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "done").write_bytes(b"done")
    with open(world.shown / "running", "wb") as file:
        file.write(b"half")
        file.flush()
        with (
            open(world.shown / "done", "rb"),
            pytest.raises(Busy, match=r"/mnt/running: still open for writing after 0"),
        ):
            wait_for_writers(world.library, layer, 0.3)
        assert [path for _, path in world.status(layer)] == [b"done", b"running"]
        # Without --wait the file is taken as it is: it does not change while it is read.
        assert world.commit(layer).changed
        file.write(b" and the rest")
    wait_for_writers(world.library, layer, 0.0)
    assert world.commit(layer).changed
    assert world.status(layer) == []


def test_hard_links_are_one_file_in_the_commit(world, source: Path, tmp_path: Path) -> None:
    world.put(source)
    layer = world.mount()
    os.link(world.shown / "big", world.shown / "dir/also-big")
    (world.shown / "fresh").write_bytes(b"fresh")
    os.link(world.shown / "fresh", world.shown / "fresh-too")
    assert (world.shown / "fresh").stat().st_nlink == 2
    world.commit(layer)
    tree = world.library.tree(world.resolved().stored)
    for one, other in ((b"big", b"dir/also-big"), (b"fresh", b"fresh-too")):
        assert tree.get(one).digest == tree.get(other).digest and tree.get(one).content == tree.get(other).content
        assert tree.get(one).links == Links(one, other, 2) and tree.get(other).links == Links(one, b"", 2)
