"""Layers on disk: made, found, resumed, replaced, refused, dropped; what crashes and other users leave."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from vfs.errors import Busy, Corrupt, InvalidName, MountError, NotFound, Refused, StoreFormat
from vfs.model.revision import parse_revision
from vfs.repo.refs import Refs
from vfs.repo.repos import create_repo
from vfs.workspace import layer as layer_module
from vfs.workspace import overlay
from vfs.workspace.attach import attach_layer
from vfs.workspace.layer import Layer, in_mount_table
from vfs.workspace.layers import layer_at, layers, layers_dir
from vfs.workspace.marks import Flavour
from vfs.workspace.opened import OpenedLayer
from vfs.workspace.overlay import mount_overlay
from vfs.workspace.removal import remove_tree
from vfs.workspace.status import find_layer

root = pytest.mark.root


def _state(world) -> str:
    return world.library.settings.state_dir


def _write(layer: Layer, name: str, data: bytes) -> None:
    """Write as a mount would, where no mount is needed."""
    layer.set_flavour(Flavour.KERNEL)
    (layer.upper / name).write_bytes(data)


def test_a_new_layer_pins_its_commit_and_looks_like_its_root(world, source: Path) -> None:
    source.chmod(0o750)
    os.utime(source, ns=(1, 1_234_567_890_000_000_007))
    world.put(source)
    layer = world.layer()
    assert layer.base.repo == "data" and layer.base.branch == "main"
    assert layer.base.id == world.resolved().stored.id and layer.base.mountpoint == str(world.shown)
    found = layer.upper.stat()
    assert (found.st_mode & 0o7777, found.st_mtime_ns) == (0o750, 1_234_567_890_000_000_007)
    assert oct(layer.directory.stat().st_mode & 0o777) == "0o700"
    assert layer_at(_state(world), str(world.shown)).id == layer.id
    assert OpenedLayer(world.library, layer).is_clean()


def test_mounting_again_goes_on_with_uncommitted_changes_wherever_the_branch_is(world, source: Path) -> None:
    world.put(source)
    layer = world.layer()
    _write(layer, "mine", b"1")
    other = world.top / "other"
    other.mkdir()
    (other / "theirs").write_bytes(b"t")
    world.put(other)
    again = attach_layer(world.library, world.resolved(), str(world.shown))
    assert again.layer.id == layer.id and again.resumed and again.behind
    assert again.layer.base.id != world.resolved().stored.id


def test_a_layer_without_changes_is_replaced_by_one_on_the_newest_commit(world, source: Path) -> None:
    world.put(source)
    layer = world.layer()
    assert world.layer().id == layer.id
    _write(layer, "mine", b"1")
    world.commit(layer)
    again = attach_layer(world.library, world.resolved(), str(world.shown))
    assert again.layer.id != layer.id and not again.resumed and again.layer.is_untouched()
    assert again.layer.base.id == world.resolved().stored.id
    assert [one.id for one in layers(_state(world))] == [again.layer.id]


def test_a_crash_between_making_the_new_layer_and_dropping_the_old_leaves_the_new_one_in_use(
    world, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(source)
    layer = world.layer()
    _write(layer, "mine", b"1")
    world.commit(layer)

    def die(self: Layer) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Layer, "discard", die)
        with pytest.raises(KeyboardInterrupt):
            world.layer()
    assert len(layers(_state(world))) == 2
    found = layer_at(_state(world), str(world.shown))
    assert found.id != layer.id and found.is_untouched()
    assert world.layer().id == found.id


def test_changes_of_another_branch_are_not_lost_to_a_mount(world, source: Path) -> None:
    world.put(source)
    create_repo(world.library, "else")
    world.put(source, "else@main")
    Refs(world.library, "data").tags.create("v1", world.resolved().stored.id)
    layer = world.layer()
    _write(layer, "mine", b"1")
    with pytest.raises(Refused, match=r"holds changes of data@main that are not committed; commit them"):
        world.layer("else@main")
    assert world.layer("data@v1").id == layer.id
    world.commit(layer)
    assert world.layer("else@main").base.repo == "else"


def test_a_path_in_a_tree_cannot_be_mounted_for_writing(world, source: Path) -> None:
    world.put(source)
    with pytest.raises(Refused, match="leave out the path"):
        attach_layer(world.library, world.resolved("data@main:dir"), str(world.shown))


def test_a_layer_of_another_store_or_format_is_refused(world, source: Path, tmp_path: Path) -> None:
    world.put(source)
    layer = world.layer()
    base = layer.directory / "base.json"
    good = json.loads(base.read_text())
    base.write_text(json.dumps({**good, "store": "0" * 32}))
    with pytest.raises(Refused, match="lies on the store 0000"):
        OpenedLayer(world.library, Layer(layer.directory))
    base.write_text(json.dumps({"format": 2, "new": "fields"}))
    with pytest.raises(StoreFormat, match="layer format 2, this version reads 1"):
        Layer(layer.directory)
    for bad in ({**good, "commit": "../../etc"}, {**good, "repo": "a/b"}, {**good, "store": "x"}, [], "{"):
        base.write_text(bad if isinstance(bad, str) else json.dumps(bad))
        with pytest.raises((Corrupt, InvalidName)):
            Layer(layer.directory)
    base.write_text(json.dumps({**good, "commit": "ab" * 32}))
    with pytest.raises(Refused, match="is not in the store any more"):
        OpenedLayer(world.library, Layer(layer.directory))
    (layer.directory / "flavour").write_text("zfs\n")
    with pytest.raises(StoreFormat, match="'zfs'"):
        layer.flavour()


def test_what_a_crash_left_half_made_or_half_removed_is_cleared(world, source: Path) -> None:
    world.put(source)
    layer = world.layer()
    parent = layers_dir(_state(world))
    (parent / ".trash-0123456789abcdef/upper/deep/er").mkdir(parents=True)
    (parent / ".new-old").mkdir()
    os.utime(parent / ".new-old", (1, 1))
    (parent / ".new-young").mkdir()
    assert [one.id for one in layers(_state(world))] == [layer.id]
    assert sorted(os.listdir(parent)) == sorted([".new-young", layer.id])


def test_discard_drops_all_and_is_refused_while_in_use(world, source: Path) -> None:
    world.put(source)
    layer = world.layer()
    _write(layer, "mine", b"1")
    held = layer.mount_lock()
    assert held.try_lock()
    assert layer.is_mounted()
    with pytest.raises(Busy, match=f"unmount it first with vfs umount {world.shown}"):
        layer.discard()
    with pytest.raises(Busy, match="mounted already"):
        world.layer()
    held.release()
    with layer.work_lock(), pytest.raises(Busy, match="being committed"):
        layer.discard()
    layer.discard()
    assert layers(_state(world)) == [] and os.listdir(layers_dir(_state(world))) == []
    with pytest.raises(NotFound, match="no writable layer"):
        find_layer(_state(world), str(world.shown))


@root
def test_a_layer_is_mounted_once_and_stays_in_use_when_its_daemon_dies(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    lower = world.exported("data")
    with pytest.raises(Busy):
        mount_overlay(str(lower), layer, str(world.shown))
    # As after kill -9: the lock is free, the overlay still in the kernel's table.
    world.mounted[-1]._lock.release()
    assert layer.is_mounted() and in_mount_table(layer.upper)
    with pytest.raises(Busy):
        layer.discard()
    with pytest.raises(Busy):
        mount_overlay(str(lower), layer, str(world.shown))
    (world.shown / "still").write_bytes(b"here")
    world.unmount()
    assert not layer.is_mounted()
    world.mount()
    assert (world.shown / "still").read_bytes() == b"here"


@root
def test_a_busy_mount_is_said_to_be_busy_and_stays(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    with open(world.shown / "big", "rb"), pytest.raises(Busy, match="busy"):
        world.mounted[-1].unmount()
    assert layer.is_mounted()
    with open(world.shown / "big", "rb") as file:
        world.mounted.pop().unmount(lazy=True)
        assert file.read(4) == b"\x00\x01\x02\x03"
    assert not layer.is_mounted()


@root
def test_places_with_commas_colons_blanks_and_backslashes_can_be_mounted(world, source: Path, tmp_path: Path) -> None:
    world.put(source)
    layer = world.layer()
    odd = tmp_path / "a,b:c d\\e=f"
    odd.mkdir()
    moved = odd / layer.id
    os.rename(layer.directory, moved)
    lower = odd / "lower:,\\"
    os.rename(world.exported("data"), lower)
    layer = Layer(moved)
    mounted = mount_overlay(str(lower), layer, str(world.shown))
    try:
        assert (world.shown / "dir/plain").read_bytes() == b"plain"
        (world.shown / "new").write_bytes(b"n")
        assert (layer.upper / "new").read_bytes() == b"n" and in_mount_table(layer.upper)
    finally:
        mounted.unmount()


@root
def test_another_kind_of_overlay_does_not_touch_what_one_wrote(
    world, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "mine").write_bytes(b"1")
    world.unmount()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(overlay.syscalls, "mount", refuse)
    monkeypatch.setattr(overlay.shutil, "which", lambda _: "/bin/true")
    with pytest.raises(Refused, match="was written through overlay and cannot be mounted through fuse-overlayfs"):
        world.mount()
    assert layer.flavour() is Flavour.KERNEL and not layer.is_mounted()


@root
def test_no_overlay_at_all_is_an_error_with_the_remedy(world, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put(source)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(19, "No such device")

    monkeypatch.setattr(overlay.syscalls, "mount", refuse)
    monkeypatch.setattr(overlay.shutil, "which", lambda _: None)
    with pytest.raises(MountError, match=r"modprobe overlay.*fuse-overlayfs is not installed; install it"):
        world.mount()
    assert not world.layer().is_mounted()


@root
def test_a_layer_on_overlayfs_is_refused_with_the_remedy(world, source: Path, tmp_path: Path) -> None:
    world.put(source)
    outer = world.mount()
    lower = world.exported("data")
    inside = world.shown / "layer"
    (inside / "upper").mkdir(parents=True)
    (inside / "base.json").write_bytes((outer.directory / "base.json").read_bytes())
    with pytest.raises(MountError, match=r"lies on overlayfs.*put the state directory on a volume"):
        mount_overlay(str(lower), Layer(inside), str(tmp_path / "store"))


@root
def test_a_missing_lower_directory_is_said_so(world, source: Path, tmp_path: Path) -> None:
    world.put(source)
    with pytest.raises(MountError, match=r"cannot be mounted over .*nowhere: no such file or directory"):
        mount_overlay(str(tmp_path / "nowhere"), world.layer(), str(world.shown))


def test_removing_a_tree_of_any_shape(tmp_path: Path) -> None:
    top = tmp_path / "top"
    path = os.fsencode(top)
    os.mkdir(path)
    here = os.open(path, os.O_RDONLY)
    for depth in range(1500):
        os.mkdir(b"directory-%d" % depth, dir_fd=here)
        inner = os.open(b"directory-%d" % depth, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open(b"bottom", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    (top / "locked/in").mkdir(parents=True)
    (top / "locked/in/file").write_bytes(b"")
    (top / "locked/in").chmod(0)
    (top / "locked").chmod(0)
    (top / "outside").symlink_to(tmp_path)
    (tmp_path / "kept").write_bytes(b"kept")
    remove_tree(top)
    assert os.listdir(tmp_path) == ["kept"]
    remove_tree(top)


def test_the_mount_table_is_read_as_the_kernel_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "table"
    table.write_bytes(
        b"41 27 0:38 / /mnt rw - ext4 /dev/sda rw,upperdir=/not/an/overlay\n"
        b"44 27 0:39 / /m\\040x rw,relatime - overlay vfs rw,lowerdir=/l,upperdir=/a\\054b\\040c/upper,workdir=/w\n"
    )
    monkeypatch.setattr(layer_module, "_MOUNT_TABLE", str(table))
    assert in_mount_table(Path("/a,b c/upper"))
    assert not in_mount_table(Path("/not/an/overlay")) and not in_mount_table(Path("/a"))


@root
def test_a_revision_given_as_a_commit_resumes_its_own_layer_only(world, source: Path) -> None:
    world.put(source)
    first = world.resolved().stored.id.hex()
    layer = world.layer(f"data@{first[:12]}")
    assert layer.base.branch == ""
    _write(layer, "mine", b"1")
    assert world.layer(f"data@{first}").id == layer.id
    world.commit(layer, target=parse_revision("data@other"))
    assert world.layer(f"data@{first}").is_untouched()
