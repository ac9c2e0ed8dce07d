"""A revision on the command line, found in the store: its commit, its tree, the entry it names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vfs.errors import PathNotFound

if TYPE_CHECKING:
    from vfs.cli.call import Call
    from vfs.model.entry import Entry
    from vfs.model.revision import Revision
    from vfs.repo.library import Library
    from vfs.repo.resolve import Resolved
    from vfs.tree.tree import Tree


@dataclass(frozen=True)
class Place:
    """Where a revision leads. `row` is the entry's number in the tree, the root being 0."""

    library: Library
    resolved: Resolved
    tree: Tree
    row: int
    entry: Entry


def find(call: Call, revision: Revision) -> Place:
    """The place of `revision`; RepoNotFound, RevisionNotFound, PathNotFound."""
    from vfs.repo.resolve import resolve

    library = call.library()
    resolved = resolve(library, revision)
    tree = library.tree(resolved.stored)
    found = tree.locate(resolved.path)
    if found is None:
        raise PathNotFound(f"{revision}: no such path")
    return Place(library, resolved, tree, *found)
