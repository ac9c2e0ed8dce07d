"""Lineage: what a commit was made from, and what was made from it; from the commits of the store alone.

The rules, with examples, are in docs/LINEAGE.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from vfs.errors import PathNotFound
from vfs.journal.downward import Downward
from vfs.journal.graph import CommitNode, Edge, FilesNode, Graph, RunNode, commit_key
from vfs.journal.origins import ever_below, files_below
from vfs.journal.upward import Upward
from vfs.model.names import printable
from vfs.repo.library import Library
from vfs.repo.resolve import Resolved

__all__ = ["CommitNode", "Edge", "FilesNode", "Graph", "RunNode", "down", "up"]


def up(
    library: Library,
    resolved: Resolved,
    *,
    path: bytes | None = None,
    depth: int | None = None,
    whole_run: bool = False,
    listings: bool = False,
) -> Graph:
    """What a commit was made from: runs, their input commits, the files they read, and so on through all repos.

    With a path (default: that of the revision), only what this file, or what lies in this directory, came from:
    the run that last changed it and what its writer had read, or all that the run read where that is not known or
    `whole_run` asks for it. `depth`: runs to go back, None for all. `listings`: names in directories that were listed
    are followed like files. PathNotFound; Corrupt when the commit itself is damaged; damaged or missing commits
    further up are nodes that say so.
    """
    wanted, paths = _paths(library, resolved, path)
    walk = Upward(library, depth=depth, whole_run=whole_run, listings=listings)
    walk.walk(resolved.stored, paths)
    return walk.builder.graph("up", commit_key(resolved.repo, resolved.stored.id), wanted)


def down(
    library: Library,
    resolved: Resolved,
    *,
    path: bytes | None = None,
    depth: int | None = None,
    listings: bool = False,
    all_versions: bool = False,
) -> Graph:
    """What was made from a commit: the commits of all repos whose runs used it, and what was made from those.

    With a path, only runs that read these bytes of the file (or of files in the directory), from whichever commit
    of the repo they were given; with `all_versions` whatever bytes the path had, and the path need not be in the
    commit. `listings`: runs that only listed its directory, or looked it up in vain, too. `depth` and errors as in
    `up`. Reads every commit object of the store that this host has not read before.
    """
    notes: list[str] = []
    if all_versions:
        wanted, paths = _ever(library, resolved, path, note=notes.append)
    else:
        wanted, paths = _paths(library, resolved, path)
    walk = Downward(library, depth=depth, listings=listings)
    for note in notes:
        walk.builder.note(note)
    walk.walk(resolved.stored, paths, all_versions=all_versions)
    return walk.builder.graph("down", commit_key(resolved.repo, resolved.stored.id), wanted)


_Asked: TypeAlias = tuple[bytes | None, frozenset[bytes] | None]


def _paths(library: Library, resolved: Resolved, path: bytes | None) -> _Asked:
    """The path that is asked about, and the files at or below it."""
    wanted = resolved.path if path is None else path
    if not wanted:
        return None, None
    tree = library.tree(resolved.stored)
    if tree.find(wanted) is None:
        raise PathNotFound(f"{resolved.revision}: no path {printable(wanted)} in this commit")
    return wanted, frozenset(files_below(tree, wanted))


def _ever(library: Library, resolved: Resolved, path: bytes | None, *, note: Callable[[str], None]) -> _Asked:
    """As `_paths`, of any commit of the repo."""
    wanted = resolved.path if path is None else path
    if not wanted:
        return None, None
    found = frozenset(ever_below(library, resolved.repo, wanted, note=note))
    if not found:
        raise PathNotFound(f"{resolved.revision}: no commit of the repo has this path")
    return wanted, found
