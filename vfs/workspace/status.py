"""What a writable mount changed since its last commit, for people and for programs."""

from __future__ import annotations

import msgspec

from vfs.errors import Busy, NotFound
from vfs.model.entry import Kind
from vfs.repo.library import Library
from vfs.tree.keys import key_of
from vfs.workspace.compare import LayerChange, What
from vfs.workspace.layer import Layer
from vfs.workspace.layers import layer_at
from vfs.workspace.opened import OpenedLayer
from vfs.workspace.renames import with_renames


def find_layer(state_dir: str, mountpoint: str) -> Layer:
    """The layer of a mount point, mounted or not; NotFound when it has none."""
    layer = layer_at(state_dir, mountpoint)
    if layer is None:
        raise NotFound(f"{mountpoint}: no writable layer; vfs mount --rw makes one")
    return layer


def status(library: Library, layer: Layer, *, ignored: bool = False) -> list[LayerChange]:
    """The changes since the last commit, in the order of a tree. LocalIOError, and Busy for a mount in turmoil.

    With `ignored` also what `.vfsignore` keeps out, a directory standing for all below it.
    """
    opened = OpenedLayer(library, layer)
    try:
        changes = list(opened.changes())
    except Busy:
        changes = list(opened.changes())
    kept, hidden = _without_ignored(opened, changes)
    found = with_renames(opened, sorted(kept, key=_place))
    return sorted([*found, *hidden], key=_place) if ignored else found


def _place(change: LayerChange) -> bytes:
    return key_of(change.path)


def _without_ignored(opened: OpenedLayer, changes: list[LayerChange]) -> tuple[list[LayerChange], list[LayerChange]]:
    """The changes that count, and the topmost paths that are ignored."""
    ignores = opened.ignores()
    kept, hidden = [], []
    for change in changes:
        node = change.new
        if change.old is not None or node is None or not ignores.hides(node.path, directory=node.kind is Kind.DIR):
            kept.append(change)
        elif not ignores.hides(change.path.rpartition(b"/")[0], directory=True):
            hidden.append(msgspec.structs.replace(change, what=What.IGNORED))
    return kept, hidden
