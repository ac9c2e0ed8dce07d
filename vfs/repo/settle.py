"""Paths that are to be exactly as in another tree, whatever else a change does: removed, added or replaced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vfs.tree.diff import Difference, diff
from vfs.tree.edit import Change, Put, Remove
from vfs.tree.tree import Tree


def without(differences: Iterable[Difference], paths: Sequence[bytes]) -> Iterator[Difference]:
    """The differences that are neither at nor below one of `paths`."""
    return (found for found in differences if not _within(found.path, paths))


def bring(tree: Tree, wanted: Tree, path: bytes) -> list[Change]:
    """What makes `path` of `tree` what it is in `wanted`, with all below it; none when it is so already.

    Directories above it that `tree` lacks are made as they are in `wanted`.
    """
    found = diff(tree, wanted, prefix=path)
    changes: list[Change] = [Remove(one.path) if one.new is None else Put(one.new) for one in found]
    added = any(isinstance(one, Put) for one in changes)
    return [*missing_above(tree, wanted, path), *changes] if added else changes


def settle(changes: list[Change], tree: Tree, *, as_in: Sequence[tuple[bytes, Tree]]) -> list[Change]:
    """`changes` to `tree`, and each path of `as_in` as in the tree beside it.

    `changes` name nothing at or below these paths; they may take away a directory above one, which then comes
    back with that path alone.
    """
    taken = {one.path for one in changes if isinstance(one, Remove)}
    settled = list(changes)
    for path, wanted in as_in:
        if taken.isdisjoint(_parents(path)):
            settled.extend(bring(tree, wanted, path))
        elif wanted.find(path) is not None:
            settled.extend(Put(wanted.get(above)) for above in _parents(path))
            settled.extend(Put(entry) for entry in wanted.walk(path))
    return settled


def missing_above(tree: Tree, wanted: Tree, path: bytes) -> list[Change]:
    """The directories above `path` that `wanted` has and `tree` lacks."""
    found = (wanted.find(above) for above in _parents(path) if tree.find(above) is None)
    return [Put(entry) for entry in found if entry is not None]


def _parents(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:depth]) for depth in range(1, len(parts))]


def _within(path: bytes, places: Sequence[bytes]) -> bool:
    return any(path == place or path.startswith(place + b"/") for place in places)
