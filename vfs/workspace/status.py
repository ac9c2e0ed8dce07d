"""What a writable mount changed since its last commit, for people and for programs."""

from __future__ import annotations

import msgspec

from vfs.errors import Busy, NotFound
from vfs.files.paths import real_path
from vfs.model.entry import Kind
from vfs.repo.library import Library
from vfs.tree.keys import key_of
from vfs.workspace.compare import LayerChange, What
from vfs.workspace.layer import Layer
from vfs.workspace.layers import layer_at, layer_called, layers
from vfs.workspace.opened import OpenedLayer
from vfs.workspace.renames import with_renames


def find_layer(state_dir: str, word: str) -> Layer:
    """The layer that `word` means: that of a mount point, mounted or not, or the one of that id. NotFound."""
    layer = layer_at(state_dir, word) or layer_called(state_dir, word) or _layer_in(state_dir, word)
    if layer is None:
        raise NotFound(f"{word}: no writable layer; vfs mounts --layers lists them, vfs mount --rw makes one")
    return layer


def _layer_in(state_dir: str, word: str) -> Layer | None:
    """The layer whose own directory `word` is."""
    place = real_path(word)
    return next((layer for layer in layers(state_dir) if str(layer.directory) == place), None)


def status(library: Library, layer: Layer, *, ignored: bool = False) -> list[LayerChange]:
    """The changes since the last commit, in the order of a tree. LocalIOError, and Busy for a mount in turmoil.

    With `ignored` also what `.vfsignore` keeps out, a directory standing for all below it.
    """
    with layer.reachable():
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
