"""Upper layers as their writers leave them, made by hand: every notation is read, nothing foreign is believed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from vfs.errors import Corrupt, LocalIOError
from vfs.workspace.index import DigestIndex
from vfs.workspace.marks import Flavour
from vfs.workspace.scan import Scan, Seen


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    top = tmp_path / "upper"
    top.mkdir()
    return top


def _scan(world, source: Path, upper: Path, flavour: Flavour = Flavour.USER) -> Scan:
    world.put(source)
    return Scan(upper, flavour, world.library.tree(world.resolved().stored), shown=b"/mnt")


def _walked(scan: Scan) -> dict[bytes, Seen]:
    seen = [one for one in scan.walk() if one.path]
    assert len({one.path for one in seen}) == len(seen)
    return {one.path: one for one in seen}


def test_whiteouts_by_attribute(world, source: Path, upper: Path) -> None:
    (upper / "run.sh").write_bytes(b"")
    os.setxattr(upper / "run.sh", "user.overlay.whiteout", b"")
    (upper / "big").write_bytes(b"not empty, so no whiteout")
    os.setxattr(upper / "big", "user.overlay.whiteout", b"")
    found = _walked(_scan(world, source, upper))
    assert found[b"run.sh"].node is None and found[b"big"].node is not None


@pytest.mark.root
def test_whiteouts_by_device_and_other_devices(world, source: Path, upper: Path) -> None:
    os.mknod(upper / "run.sh", stat.S_IFCHR, os.makedev(0, 0))
    os.mknod(upper / "big", stat.S_IFCHR, os.makedev(1, 3))
    found = _walked(_scan(world, source, upper))
    assert found[b"run.sh"].node is None and not found[b"run.sh"].special
    assert found[b"big"].node is None and stat.S_ISCHR(found[b"big"].special)


def test_opaque_and_plain_directories(world, source: Path, upper: Path) -> None:
    for name in ("dir", "many", "dir/sub"):
        (upper / name).mkdir()
    os.setxattr(upper / "dir", "user.overlay.opaque", b"y")
    os.setxattr(upper / "many", "user.overlay.opaque", b"x")
    scan = _scan(world, source, upper)
    found = _walked(scan)
    assert found[b"dir"].replaced and not found[b"dir/sub"].replaced and not found[b"many"].replaced
    assert scan.node(b"dir/plain") is None and scan.node(b"dir/sub/other") is None
    assert scan.node(b"many/001.txt") is not None and not scan.tells_of(b"many/001.txt")


def test_renamed_directories_show_what_they_came_from(world, source: Path, upper: Path) -> None:
    (upper / "moved/two").mkdir(parents=True)
    os.setxattr(upper / "moved", "user.overlay.redirect", b"dir")
    os.setxattr(upper / "moved/two", "user.overlay.redirect", b"/move/two")
    (upper / "moved/plain").write_bytes(b"on top")
    scan = _scan(world, source, upper)
    found = _walked(scan)
    assert {b"moved", b"moved/plain", b"moved/sub", b"moved/sub/deep/file", b"moved/two/three"} <= set(found)
    node = found[b"moved/sub/deep/file"].node
    assert node is not None and node.source is not None and node.source.path == b"dir/sub/deep/file"
    assert found[b"moved/plain"].node.source is None and found[b"moved/two/three"].node.source.path == b"move/two/three"
    assert list(found) == sorted(found, key=lambda path: (path.rpartition(b"/")[0].replace(b"/", b"\1"), path))
    assert scan.node(b"moved/sub/other").source.path == b"dir/sub/other"


def test_attributes_of_a_file_without_its_content(world, source: Path, upper: Path) -> None:
    (upper / "dir").mkdir()
    for name, redirect in (("big", b""), ("dir/elsewhere", b"/run.sh")):
        (upper / name).write_bytes(b"")
        os.truncate(upper / name, (source / (redirect.decode()[1:] or name)).stat().st_size)
        (upper / name).chmod(0o604)
        os.setxattr(upper / name, "user.overlay.metacopy", b"")
        if redirect:
            os.setxattr(upper / name, "user.overlay.redirect", redirect)
    found = _walked(_scan(world, source, upper))
    assert found[b"big"].node.source.path == b"big" and found[b"big"].node.mode == 0o604
    entry = found[b"dir/elsewhere"].node.as_entry()
    assert (
        entry.path == b"dir/elsewhere"
        and entry.digest == world.library.tree(world.resolved().stored).get(b"run.sh").digest
    )


def test_attributes_of_a_file_that_the_commit_lacks_are_damage(world, source: Path, upper: Path) -> None:
    (upper / "stray").write_bytes(b"")
    os.setxattr(upper / "stray", "user.overlay.metacopy", b"")
    with pytest.raises(Corrupt, match="/mnt/stray: the layer has its attributes only"):
        _walked(_scan(world, source, upper))


def test_attributes_of_other_writers_mean_nothing(world, source: Path, upper: Path) -> None:
    """Under the kernel's own overlay a program may set `user.overlay.*` as it likes, and it changes nothing."""
    (upper / "dir").mkdir()
    os.setxattr(upper / "dir", "user.overlay.opaque", b"y")
    os.setxattr(upper / "dir", "user.overlay.redirect", b"/many")
    os.setxattr(upper / "dir", "user.mine", b"1")
    (upper / "run.sh").write_bytes(b"")
    os.setxattr(upper / "run.sh", "user.overlay.whiteout", b"")
    found = _walked(_scan(world, source, upper, Flavour.KERNEL))
    assert not found[b"dir"].replaced and found[b"run.sh"].node is not None
    assert found[b"dir"].node.xattrs == ((b"user.mine", b"1"),) and found[b"run.sh"].node.xattrs == ()


def test_files_that_stand_for_marks(world, source: Path, upper: Path) -> None:
    """The notation of fuse-overlayfs where it cannot set attributes; elsewhere these are ordinary names."""
    (upper / "dir/sub").mkdir(parents=True)
    (upper / "dir/.wh..wh..opq").write_bytes(b"")
    (upper / ".wh.run.sh").write_bytes(b"")
    scan = _scan(world, source, upper, Flavour.FUSE)
    found = _walked(scan)
    assert set(found) == {b"dir", b"dir/sub", b"run.sh"}
    assert found[b"dir"].replaced and found[b"run.sh"].node is None
    assert scan.node(b"run.sh") is None and scan.tells_of(b"run.sh") and scan.node(b"big") is not None
    assert b".wh.run.sh" in _walked(Scan(upper, Flavour.USER, scan.lower))


def test_a_directory_that_cannot_be_read_is_named(world, source: Path, upper: Path) -> None:
    scan = _scan(world, source, upper)
    with pytest.raises(LocalIOError, match="cannot be read"):
        Scan(upper / "nowhere", Flavour.USER, scan.lower)


def test_the_index_knows_files_by_inode_and_ctime(tmp_path: Path) -> None:
    files = [tmp_path / f"f{number}" for number in range(50)]
    index = DigestIndex()
    for number, file in enumerate(files):
        file.write_bytes(b"%d" % number)
        index.add(os.stat(file), bytes([number]) * 32)
    os.link(files[0], tmp_path / "twin")
    index.add(os.stat(tmp_path / "twin"), bytes(32))
    index.save(tmp_path / "index")
    loaded = DigestIndex.load(tmp_path / "index")
    assert [loaded.find(os.stat(file)) for file in files[1:]] == [bytes([number]) * 32 for number in range(1, 50)]
    files[7].rename(tmp_path / "renamed")
    assert loaded.find(os.stat(tmp_path / "renamed")) is None
    files[8].write_bytes(b"other")
    assert loaded.find(os.stat(files[8])) is None
    assert DigestIndex().find(os.stat(files[9])) is None
    # While a file is cut the file system shows the new size first, and the new ctime later.
    whole = os.stat(files[10])
    cut = os.stat_result(
        [0 if field == whole.st_size and at == 6 else field for at, field in enumerate(whole)],
        {
            "st_ctime_ns": whole.st_ctime_ns,
        },
    )
    assert loaded.find(whole) is not None and loaded.find(cut) is None


@pytest.mark.parametrize("damage", [b"", b"junk", b"vfs-layer-index1" + b"x" * 55])
def test_a_damaged_index_is_an_empty_one(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "index").write_bytes(damage)
    assert DigestIndex.load(tmp_path / "index").find(os.stat(tmp_path)) is None
    DigestIndex().save(tmp_path / "no/such/directory")
