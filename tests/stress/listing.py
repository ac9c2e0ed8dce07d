"""What two trees are compared by: kinds, modes, mtimes, contents, targets, user attributes, names of one file."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

Tree = dict[str, tuple[object, ...]]

TODAY = 1_500_000_000_000_000_000
"""Nanoseconds: later mtimes came from the clock, earlier ones were set by a program."""


def listing(top: Path) -> Tree:
    """Everything below a directory, itself as ".": kind, mode, mtime in ns, content or target, user attributes."""
    paths = [top]
    for directory, names, files in os.walk(top):
        paths += [Path(directory, name) for name in [*names, *files]]
    return {str(path.relative_to(top)): _described(path) for path in paths}


def _described(path: Path) -> tuple[object, ...]:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return "link", found.st_mtime_ns, os.readlink(path)
    names = sorted(name for name in os.listxattr(path) if name.startswith("user."))
    rest = oct(found.st_mode), found.st_mtime_ns, tuple((name, os.getxattr(path, name)) for name in names)
    if stat.S_ISDIR(found.st_mode):
        return "directory", *rest
    with path.open("rb") as file:
        return "file", *rest, found.st_size, hashlib.file_digest(file, "sha256").hexdigest()


def without_clock(tree: Tree) -> Tree:
    """The same with one word for all mtimes that a clock gave: two runs have those at different moments."""
    return {
        path: tuple("clock" if isinstance(part, int) and part > TODAY else part for part in described)
        for path, described in tree.items()
    }


def one_file(top: Path) -> set[frozenset[str]]:
    """The sets of names that are hard links of one file."""
    groups: dict[tuple[int, int], set[str]] = {}
    for directory, _, files in os.walk(top):
        for name in files:
            found = Path(directory, name).lstat()
            groups.setdefault((found.st_dev, found.st_ino), set()).add(
                os.path.relpath(os.path.join(directory, name), top)
            )
    return {frozenset(names) for names in groups.values() if len(names) > 1}


def differences(one: Tree, other: Tree) -> list[str]:
    """A line for each path that is not the same in both."""
    return [
        f"{path}: {one.get(path)} and {other.get(path)}"
        for path in sorted({*one, *other})
        if one.get(path) != other.get(path)
    ]
