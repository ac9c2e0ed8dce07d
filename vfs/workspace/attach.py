"""Which layer a writable mount gets: the one its mount point has, or a new one.

A layer with changes that are not committed is mounted on the commit it was made on, wherever the branch is
by now. A layer without such changes is replaced by a new, empty one on what the revision names today: made
first, then the old one dropped, so that a crash between leaves two of which the newer counts. A kept layer may be
shown somewhere else than where it was made.
"""

from __future__ import annotations

import os
import time

import msgspec

from vfs.config.sizes import format_size
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


def attach_layer(library: Library, resolved: Resolved, mountpoint: str, *, max_size: int = 0) -> Attached:
    """The layer for a writable mount of `resolved` at `mountpoint`. `max_size`: bytes it may take, 0 for no limit.

    Busy when it is mounted; Refused when it holds uncommitted changes of another repo or branch or has another
    limit than the one asked for, or for a path within a tree.
    """
    _check_whole(resolved)
    layer = layer_at(library.settings.state_dir, mountpoint)
    if layer is None:
        return _new(library, resolved, mountpoint, max_size)
    if layer.is_mounted():
        raise Busy(f"{mountpoint}: its layer is mounted already; unmount it first with vfs umount {mountpoint}")
    with layer.reachable():
        kept = _going_on(OpenedLayer(library, layer), resolved, max_size)
    if kept is not None:
        return kept
    made = _new(library, resolved, mountpoint, max_size)
    _drop_others(library, made.layer)
    return made


def _going_on(opened: OpenedLayer, resolved: Resolved, max_size: int) -> Attached | None:
    """The layer that is there, if it has changes or is just what a new one would be; None otherwise."""
    layer, base = opened.layer, opened.layer.base
    if not opened.is_clean():
        _check_same(opened, resolved)
        _check_limit(layer, max_size)
        return Attached(layer, True, resolved.branch is not None and resolved.stored.id != opened.last.id)
    fresh = opened.tip is None and base.max_size == max_size and layer.is_untouched()
    same = (base.repo, base.branch, base.id) == (resolved.repo, resolved.branch or "", resolved.stored.id)
    return Attached(layer, False, False) if fresh and same else None


def shell_layer(library: Library, resolved: Resolved, shown: str, *, max_size: int = 0) -> Layer:
    """A new layer on `resolved` for a mount that one command alone sees, at `shown`. Refused for a path in a tree."""
    _check_whole(resolved)
    return _made(library, resolved, shown, max_size, shell=True)


def attach_kept(library: Library, layer: Layer, mountpoint: str) -> Attached:
    """`layer`, from now on that of `mountpoint`: Busy when it is mounted, Refused where another holds changes."""
    point, there = os.path.realpath(mountpoint), layer_at(library.settings.state_dir, mountpoint)
    if there is not None and there.id != layer.id:
        with there.reachable():
            if not OpenedLayer(library, there).is_clean():
                raise Refused(
                    f"{point}: holds changes of its own that are not committed; commit them (vfs commit {point}) or "
                    f"drop them (vfs discard {point}) before mounting layer {layer.id} there"
                )
        there.discard()
    if layer.is_mounted():
        raise Busy(f"layer {layer.id}: is mounted already, at {layer.base.mountpoint}")
    if layer.base.shell or layer.base.mountpoint != point:
        layer.move_to(msgspec.structs.replace(layer.base, mountpoint=point, shell=False))
    return Attached(layer, True, False)


def _check_whole(resolved: Resolved) -> None:
    if resolved.path:
        raise Refused(f"{resolved.revision}: a writable mount shows a whole tree; leave out the path")


def _new(library: Library, resolved: Resolved, mountpoint: str, max_size: int) -> Attached:
    return Attached(_made(library, resolved, os.path.realpath(mountpoint), max_size), False, False)


def _made(library: Library, resolved: Resolved, shown: str, max_size: int, *, shell: bool = False) -> Layer:
    base = LayerBase(
        store=marker_of(library.store).id,
        repo=resolved.repo,
        branch=resolved.branch or "",
        commit=resolved.stored.id.hex(),
        mountpoint=shown,
        created_ns=time.time_ns(),
        shell=shell,
        max_size=max_size,
    )
    root = library.tree(resolved.stored).get(b"")
    return create_layer(library.settings.state_dir, base, root=root)


def _drop_others(library: Library, kept: Layer) -> None:
    for layer in layers(library.settings.state_dir):
        same = not layer.base.shell and layer.base.mountpoint == kept.base.mountpoint
        if same and layer.id != kept.id:
            layer.discard()


def _check_limit(layer: Layer, max_size: int) -> None:
    held, point = layer.base.max_size, layer.base.mountpoint
    if max_size and held != max_size:
        limit = f"a limit of {format_size(held)}" if held else "no limit"
        raise Refused(
            f"{point}: its layer has {limit} and holds changes; leave --max-size out, or commit them "
            f"(vfs commit {point}) or drop them (vfs discard {point}) first"
        )


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
