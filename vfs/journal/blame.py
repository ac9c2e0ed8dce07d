"""Blame: which commits and runs made a path what it is."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from vfs.errors import Corrupt, NotFound, ObjectMissing, PathNotFound
from vfs.journal.builder import Builder
from vfs.journal.changers import changed_by, history
from vfs.journal.graph import Graph, Version, commit_key
from vfs.journal.sealed import Sealed, sealed_record
from vfs.model.commit import StoredCommit
from vfs.model.entry import Entry, Kind
from vfs.model.names import printable
from vfs.repo.library import Library
from vfs.repo.resolve import Resolved

_KINDS = {Kind.FILE: "file", Kind.DIR: "dir", Kind.SYMLINK: "symlink"}
# Of how many entries of a directory each has its own inputs counted: every count looks at all processes of a run.
_COUNTED = 2_000


def blame(library: Library, resolved: Resolved, *, recursive: bool = False) -> Graph:
    """Of a file all its versions, the newest first; of a directory the last commit behind each of its entries.

    `recursive`: behind each file below it. Merges are looked through: a version that a merge brought in is that of
    the commit that made it. PathNotFound; Corrupt when a commit of the history is damaged.
    """
    path = resolved.path
    entry = library.tree(resolved.stored).find(path)
    if entry is None:
        raise PathNotFound(f"{resolved.revision}: no path {printable(path)} in this commit")
    walk = _Blame(library, resolved.stored)
    if entry.kind is Kind.DIR:
        walk.directory(path, recursive=recursive)
    else:
        walk.file(path)
    return walk.graph(path or None)


class _Blame:
    """One answer while it is made."""

    def __init__(self, library: Library, root: StoredCommit) -> None:
        self._library = library
        self._root = root
        self._builder = Builder()
        self._builder.commit(root)
        self._versions: list[Version] = []
        self._sealed: dict[str, Sealed | None] = {}
        self._outputs: dict[str, list[bytes]] = {}

    def file(self, path: bytes) -> None:
        """All versions of one path."""
        newer = ""
        for stored, entry in history(self._library, self._root, path):
            node = self._commit(stored)
            if newer:
                self._builder.edge(node, newer, "replaced")
            elif stored.id != self._root.id:
                self._builder.edge(node, commit_key(self._root.commit.repo, self._root.id), "carried", files=1)
            self._versions.append(self._version(node, path, entry, count=True))
            newer = node

    def directory(self, path: bytes, *, recursive: bool) -> None:
        """The last commit of each entry."""
        tree = self._library.tree(self._root)
        if recursive:
            entries = {entry.path: entry for entry in tree.walk(path) if entry.kind is not Kind.DIR}
        else:
            entries = {entry.path: entry for _, entry in tree.children(path)}
        count = len(entries) <= _COUNTED
        for stored, paths in changed_by(self._library, self._root, path, set(entries)):
            node = self._commit(stored)
            if stored.id != self._root.id:
                root = commit_key(self._root.commit.repo, self._root.id)
                self._builder.edge(node, root, "carried", files=len(paths))
            self._versions.extend(self._version(node, name, entries[name], count=count) for name in paths)
        self._versions.sort(key=lambda version: version.path)

    def graph(self, path: bytes | None) -> Graph:
        """What was found."""
        root = commit_key(self._root.commit.repo, self._root.id)
        return self._builder.graph("up", root, path, subject="blame", versions=tuple(self._versions))

    def _commit(self, stored: StoredCommit) -> str:
        node = self._builder.commit(stored)
        if node not in self._sealed:
            try:
                sealed = sealed_record(self._library, stored)
            except (NotFound, ObjectMissing, Corrupt) as error:
                sealed = None
                self._builder.note(str(error))
            self._sealed[node] = sealed
            if sealed is not None:
                self._builder.edge(self._builder.run(stored, sealed), node, "made", files=len(sealed.record.outputs))
        return node

    def _version(self, node: str, path: bytes, entry: Entry | None, *, count: bool) -> Version:
        if entry is None:
            return Version(path, node, "removed")
        inputs, narrowed = self._inputs(node, path) if count else (None, False)
        return Version(path, node, _KINDS[entry.kind], entry.size, entry.digest, inputs, narrowed)

    def _inputs(self, node: str, path: bytes) -> tuple[int | None, bool]:
        sealed = self._sealed[node]
        if sealed is None or not sealed.observed:
            return None, False
        own = sealed.own.of(self._at_or_below(node, sealed, path) or [path])
        return sum(len(reading.files) for reading in sealed.readings_of(own)), own.narrowed

    def _at_or_below(self, node: str, sealed: Sealed, path: bytes) -> list[bytes]:
        if node not in self._outputs:
            self._outputs[node] = sorted(output.path for output in sealed.record.outputs)
        known = self._outputs[node]
        own = known[bisect_left(known, path) : bisect_right(known, path)]
        # "0" comes right after "/".
        return own + known[bisect_left(known, path + b"/") : bisect_left(known, path + b"0")]
