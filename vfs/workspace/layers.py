"""All layers below a state directory: made, listed, found by mount point; what a crash left is cleared."""

from __future__ import annotations

import os
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path

from vfs.errors import AmbiguousRevision, LocalIOError, NotFound
from vfs.files.atomic import fsync_dir
from vfs.files.paths import real_path
from vfs.files.private import private_dir
from vfs.files.translate import local_error
from vfs.model.entry import Entry
from vfs.workspace.layer import TRASH, Layer, in_mount_table
from vfs.workspace.pins import LayerBase, write_pin
from vfs.workspace.removal import remove_tree
from vfs.workspace.volume import Volume

_NEW = ".new-"
_ID = re.compile(r"[0-9a-f]{16}")
_PREFIX = re.compile(r"[0-9a-f]{4,16}")
# A layer is made in milliseconds; what is unfinished after an hour was left by a crash.
_UNFINISHED_SECONDS = 3600.0


def layers_dir(state_dir: str) -> Path:
    """The directory that holds the layers, made when absent; canonical, as the kernel shows it in its mount table."""
    return private_dir(Path(os.path.realpath(private_dir(state_dir))) / "layers")


def create_layer(state_dir: str, base: LayerBase, *, root: Entry) -> Layer:
    """A new, empty layer on `base`, whose root directory looks like `root`, that of the commit."""
    parent = layers_dir(state_dir)
    id = secrets.token_hex(8)
    new = private_dir(parent / f"{_NEW}{id}")
    try:
        write_pin(new / "base.json", base)
        _fill(Layer(new), root)
        os.rename(new, parent / id)
    except BaseException as error:
        # What cannot be removed is found by its name later; why there is no layer counts more.
        with suppress(LocalIOError):
            remove_tree(new)
        if isinstance(error, OSError):
            raise local_error(new, "made", error) from error
        raise
    fsync_dir(parent)
    return Layer(parent / id)


def _fill(new: Layer, root: Entry) -> None:
    if new.volume is not None:
        new.volume.make(new.base.max_size)
    with new.reachable():
        new.work.mkdir(mode=0o700)
        _make_upper(new.upper, root)


def layers(state_dir: str) -> list[Layer]:
    """All layers, oldest first. What crashes left is cleared on the way."""
    parent = layers_dir(state_dir)
    found: list[Layer] = []
    for name in os.listdir(parent):
        if name.startswith((TRASH, _NEW)):
            _clear(parent / name)
        elif _ID.fullmatch(name):
            try:
                found.append(Layer(parent / name))
            except NotFound:
                # Discarded between listing and opening.
                continue
    for layer in found:
        if layer.volume is not None and not in_mount_table(layer.upper):
            layer.volume.release_unused()
    return sorted(found, key=lambda layer: (layer.base.created_ns, layer.id))


def layer_at(state_dir: str, mountpoint: str) -> Layer | None:
    """The layer of a mount point, mounted or not; the newest if a crash left two."""
    point = real_path(mountpoint)
    found = (layer for layer in reversed(layers(state_dir)) if not layer.base.shell)
    return next((layer for layer in found if layer.base.mountpoint == point), None)


def layer_called(state_dir: str, word: str) -> Layer | None:
    """The layer whose id is `word`, or begins so where that is said of no other (four digits or more)."""
    if not _PREFIX.fullmatch(word):
        return None
    found = [layer for layer in layers(state_dir) if layer.id.startswith(word)]
    if len(found) > 1:
        raise AmbiguousRevision(f"layer {word}: the beginning of {len(found)} ids; give more of it")
    return found[0] if found else None


def _make_upper(upper: Path, root: Entry) -> None:
    # The upper directory is what a mount shows as its root, so it takes the attributes of the commit's root.
    upper.mkdir(mode=0o700)
    for name, value in root.xattrs:
        os.setxattr(upper, name, value)
    os.chmod(upper, root.mode)
    os.utime(upper, ns=(root.mtime_ns, root.mtime_ns))


def _clear(path: Path) -> None:
    try:
        age = time.time() - path.stat().st_mtime
        volume = Volume(path)
        volume.release_unused()
        # Never into a volume that is still mounted: what it holds may be in use.
        if (path.name.startswith(TRASH) or age > _UNFINISHED_SECONDS) and not os.path.ismount(volume.point):
            remove_tree(path)
    except (LocalIOError, OSError):
        # Somebody else clears it at the same time, or it cannot be removed: no concern of whoever lists layers.
        return
