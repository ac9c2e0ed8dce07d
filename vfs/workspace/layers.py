"""All layers below a state directory: made, listed, found by mount point; what a crash left is cleared."""

from __future__ import annotations

import os
import re
import secrets
import time
from pathlib import Path

from vfs.errors import LocalIOError, NotFound
from vfs.files.atomic import fsync_dir
from vfs.files.paths import real_path
from vfs.files.private import private_dir
from vfs.files.translate import local_error
from vfs.model.entry import Entry
from vfs.workspace.layer import TRASH, Layer
from vfs.workspace.pins import LayerBase, write_pin
from vfs.workspace.removal import remove_tree

_NEW = ".new-"
_ID = re.compile(r"[0-9a-f]{16}")
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
    write_pin(new / "base.json", base)
    try:
        (new / "work").mkdir(mode=0o700)
        _make_upper(new / "upper", root)
        os.rename(new, parent / id)
    except OSError as error:
        raise local_error(new, "made", error) from error
    fsync_dir(parent)
    return Layer(parent / id)


def layers(state_dir: str) -> list[Layer]:
    """All layers, oldest first."""
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
    return sorted(found, key=lambda layer: (layer.base.created_ns, layer.id))


def layer_at(state_dir: str, mountpoint: str) -> Layer | None:
    """The layer of a mount point, mounted or not; the newest if a crash left two."""
    point = real_path(mountpoint)
    return next((layer for layer in reversed(layers(state_dir)) if layer.base.mountpoint == point), None)


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
        if path.name.startswith(TRASH) or age > _UNFINISHED_SECONDS:
            remove_tree(path)
    except (LocalIOError, OSError):
        # Somebody else clears it at the same time, or it cannot be removed: no concern of whoever lists layers.
        return
