"""What a writable mount changed since its last commit, for people and for programs."""

from __future__ import annotations

from vfs.errors import Busy, NotFound
from vfs.repo.library import Library
from vfs.tree.keys import key_of
from vfs.workspace.compare import LayerChange
from vfs.workspace.layer import Layer
from vfs.workspace.layers import layer_at
from vfs.workspace.opened import OpenedLayer


def find_layer(state_dir: str, mountpoint: str) -> Layer:
    """The layer of a mount point, mounted or not; NotFound when it has none."""
    layer = layer_at(state_dir, mountpoint)
    if layer is None:
        raise NotFound(f"{mountpoint}: no writable layer; vfs mount --rw makes one")
    return layer


def status(library: Library, layer: Layer) -> list[LayerChange]:
    """The changes since the last commit, in the order of a tree. LocalIOError, and Busy for a mount in turmoil."""
    opened = OpenedLayer(library, layer)
    try:
        changes = list(opened.changes())
    except Busy:
        changes = list(opened.changes())
    return sorted(changes, key=lambda change: key_of(change.path))
