"""The layers of a user as a list shows them: what they lie on, what they hold, whether anything mounts them."""

from __future__ import annotations

import os
import time
from contextlib import suppress

import msgspec

from vfs.errors import VfsError
from vfs.workspace.layer import Layer
from vfs.workspace.layers import layers

# What `st_blocks` counts in.
_BLOCK = 512


class KeptLayer(msgspec.Struct, frozen=True):
    """One layer. `size`: bytes it takes on disk, None where it cannot be looked into; `age_seconds` since it was made.

    `committed`: a commit was made from it; whether something changed since is for `vfs status` to say.
    """

    layer: Layer
    mounted: bool
    size: int | None
    age_seconds: float
    committed: bool


def kept_layers(state_dir: str) -> list[KeptLayer]:
    """All layers, oldest first. Takes time in proportion to what they hold."""
    return [_described(layer) for layer in layers(state_dir)]


def unmounted_layers(state_dir: str) -> list[Layer]:
    """The layers that something was written to and nothing mounts; those with a limit count without a look inside."""
    found = []
    for layer in layers(state_dir):
        with suppress(VfsError):
            if not layer.is_mounted() and (layer.volume is not None or not layer.is_untouched()):
                found.append(layer)
    return found


def _described(layer: Layer) -> KeptLayer:
    size = None
    with suppress(VfsError, OSError), layer.reachable():
        size = _size(os.fspath(layer.upper))
    age = max(0.0, time.time() - layer.base.created_ns / 1e9)
    return KeptLayer(layer, layer.is_mounted(), size, age, layer.tip() is not None)


def _size(top: str) -> int:
    """The bytes that all below `top` takes on disk, hard links once."""
    seen: set[int] = set()
    total = 0
    for _, _, names, fd in os.fwalk(top):
        total += os.stat(fd).st_blocks * _BLOCK
        for name in names:
            with suppress(FileNotFoundError):
                found = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if found.st_nlink == 1 or found.st_ino not in seen:
                    total += found.st_blocks * _BLOCK
                if found.st_nlink > 1:
                    seen.add(found.st_ino)
    return total
