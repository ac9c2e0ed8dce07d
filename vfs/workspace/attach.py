"""Which layer a writable mount gets: the one its mount point has, or a new one.

A layer with changes that are not committed is mounted on the commit it was made on, wherever the branch is
by now. A layer without such changes is replaced by a new, empty one on what the revision names today: made
first, then the old one dropped, so that a crash between leaves two of which the newer counts.
"""

from __future__ import annotations

import os
import time

import msgspec

from vfs.errors import Busy, Refused
from vfs.model.ids import short
from vfs.repo.library import Library
from vfs.repo.resolve import Resolved
from vfs.store.marked import marker_of
from vfs.workspace.layer import Layer
from vfs.workspace.layers import create_layer, layer_at, layers
from vfs.workspace.opened import OpenedLayer
from vfs.workspace.pins import LayerBase


class Attached(msgspec.Struct, frozen=True):
    """A layer to mount. The directory below it shows `layer.base.commit` of `layer.base.repo`.

    `resumed`: it holds changes that are not committed. `behind`: the branch has moved on since it was made.
    """

    layer: Layer
    resumed: bool
    behind: bool


def attach_layer(library: Library, resolved: Resolved, mountpoint: str) -> Attached:
    """The layer for a writable mount of `resolved` at `mountpoint`.

    Busy when it is mounted; Refused when it holds uncommitted changes of another repo or branch, or for a path
    within a tree.
    """
    if resolved.path:
        raise Refused(f"{resolved.revision}: a writable mount shows a whole tree; leave out the path")
    state_dir = library.settings.state_dir
    layer = layer_at(state_dir, mountpoint)
    if layer is None:
        return _new(library, resolved, mountpoint)
    if layer.is_mounted():
        raise Busy(f"{mountpoint}: its layer is mounted already; unmount it first with vfs umount {mountpoint}")
    opened = OpenedLayer(library, layer)
    if opened.is_clean():
        return _renewed(library, resolved, mountpoint, opened)
    _check_same(opened, resolved)
    return Attached(layer, True, resolved.branch is not None and resolved.stored.id != opened.last.id)


def _new(library: Library, resolved: Resolved, mountpoint: str) -> Attached:
    base = LayerBase(
        store=marker_of(library.store).id,
        repo=resolved.repo,
        branch=resolved.branch or "",
        commit=resolved.stored.id.hex(),
        mountpoint=os.path.realpath(mountpoint),
        created_ns=time.time_ns(),
    )
    root = library.tree(resolved.stored).get(b"")
    return Attached(create_layer(library.settings.state_dir, base, root=root), False, False)


def _renewed(library: Library, resolved: Resolved, mountpoint: str, opened: OpenedLayer) -> Attached:
    """A clean layer: kept when it is just what a new one would be, replaced otherwise."""
    base = opened.layer.base
    fresh = opened.tip is None and opened.layer.is_untouched()
    if fresh and (base.repo, base.branch, base.id) == (resolved.repo, resolved.branch or "", resolved.stored.id):
        return Attached(opened.layer, False, False)
    made = _new(library, resolved, mountpoint)
    _drop_others(library, made.layer)
    return made


def _drop_others(library: Library, kept: Layer) -> None:
    for layer in layers(library.settings.state_dir):
        if layer.base.mountpoint == kept.base.mountpoint and layer.id != kept.id:
            layer.discard()


def _check_same(opened: OpenedLayer, resolved: Resolved) -> None:
    same = opened.repo == resolved.repo and (
        resolved.branch == opened.branch if resolved.branch is not None else resolved.stored.id == opened.base.id
    )
    if not same:
        point = opened.layer.base.mountpoint
        held = f"{opened.repo}@{opened.branch or short(opened.base.id)}"
        raise Refused(
            f"{point}: its layer holds changes of {held} that are not committed; commit them (vfs commit {point}) or "
            f"drop them (vfs discard {point}) before mounting {resolved.revision} there"
        )
