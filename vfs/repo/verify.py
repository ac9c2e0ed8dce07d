"""`vfs verify`: every page and every chunk of a commit read and hashed, and what damage there is named.

It goes on past damage: a page that cannot be read hides the entries below it, a chunk spoils the
files it is part of; everything else is still checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

import msgspec

from vfs.concurrency.pool import ordered_map
from vfs.content.limits import place
from vfs.errors import Corrupt, VfsError
from vfs.model.entry import BlobRef, Entry, Kind, Links
from vfs.model.ids import Digest, short
from vfs.model.names import printable
from vfs.repo.commits import read_record
from vfs.repo.library import Library
from vfs.repo.progress import NoProgress, Progress
from vfs.repo.resolve import Resolved
from vfs.repo.verify_content import DAMAGE, Outcome, read_step, steps
from vfs.tree.index import Child
from vfs.tree.keys import path_of
from vfs.tree.leaf import Leaf
from vfs.tree.links import is_other_name, names
from vfs.tree.tree import Tree, check_root

# Paths named with one damaged object; the rest are counted.
PATHS_NAMED = 10
# Groups of files being read ahead of the one whose outcome is taken.
AHEAD = 3


class Damage(msgspec.Struct):
    """One damaged object: what it is, why, the first paths it hits, and how many entries in all (at least)."""

    object: str
    cause: str
    paths: list[bytes]
    entries: int

    def __str__(self) -> str:
        named = ", ".join(printable(path) or "the root directory" for path in self.paths)
        more = self.entries - len(self.paths)
        return self.cause + (f"; hits {named}" if named else "") + (f" and {more} more" if more > 0 else "")


class Report(msgspec.Struct, frozen=True):
    """What was read, and the damage found. Bytes are raw bytes of content that were hashed, each chunk once."""

    commit: Digest
    pages: int
    files: int
    chunks: int
    size: int
    damages: tuple[Damage, ...]

    @property
    def ok(self) -> bool:
        """True when everything is as the commit says."""
        return not self.damages


def verify(library: Library, resolved: Resolved, *, progress: Progress | None = None) -> Report:
    """Read all of a commit. Damage is in the report; StoreDenied, StoreTimeout and the like are raised."""
    run = _Run(library, resolved, progress or NoProgress())
    run.all()
    return run.report()


class _Run:
    """One verification: what was seen so far, and the damage by object."""

    def __init__(self, library: Library, resolved: Resolved, progress: Progress) -> None:
        self._library = library
        self._stored = resolved.stored
        self._progress = progress
        self._damages: dict[str, Damage] = {}
        # Hashes of (pack, offset): some 60 bytes for each chunk of the commit.
        self._seen: set[int] = set()
        self._pages = self._files = self._chunks = self._size = 0

    def report(self) -> Report:
        """What was found."""
        counts = (self._pages, self._files, self._chunks, self._size)
        return Report(self._stored.id, *counts, tuple(self._damages.values()))

    def all(self) -> None:
        """The run record, then the tree page by page, each file when its leaf is read."""
        try:
            read_record(self._library, self._stored)
        except DAMAGE as error:
            self._damage(f"run record of commit {short(self._stored.id)}", error, None)
        tree = self._library.tree(self._stored)
        try:
            check_root(tree)
            top = tree.top
        except DAMAGE as error:
            self._hidden(tree.root_ref, error, b"", self._stored.commit.entries)
            return
        self._progress.start(tree.size)
        self._check_totals(tree)
        groups = steps(self._entries(tree, top))
        for step, outcomes in ordered_map(partial(read_step, self._library), groups, workers=AHEAD, ahead=AHEAD):
            for entry, outcome in zip(step, outcomes, strict=True):
                self._file(entry, outcome)

    def _check_totals(self, tree: Tree) -> None:
        commit = self._stored.commit
        if (tree.entries, tree.size) != (commit.entries, commit.size):
            what = f"commit {short(self._stored.id)}"
            found = f"{tree.entries} entries of {tree.size} bytes in the tree"
            cause = Corrupt(f"{what}: {found}, {commit.entries} of {commit.size} in the commit")
            self._damage(what, cause, None)

    def _entries(self, tree: Tree, top: Child) -> Iterator[Entry]:
        """The entries of all leaves that can be read."""
        stack = [top]
        parents, linked = _Parents(tree), _Linked(tree)
        while stack:
            child = stack.pop()
            try:
                if child.level:
                    index = tree.pages.index(child)
                    stack.extend(index.child(i) for i in range(index.count - 1, -1, -1))
                    self._pages += 1
                    continue
                leaf = tree.pages.leaf(child)
                self._pages += 1
            except DAMAGE as error:
                self._hidden(child.ref, error, child.last, child.entries)
                continue
            yield from self._leaf(leaf, parents, linked)

    def _leaf(self, leaf: Leaf, parents: _Parents, linked: _Linked) -> Iterator[Entry]:
        for position in range(leaf.count):
            entry = leaf.entry(position)
            cause = parents.wrong(entry) or linked.wrong(entry)
            if cause is not None:
                self._damage(f"tree of commit {short(self._stored.id)}", cause, entry.path)
            yield entry

    def _file(self, entry: Entry, outcome: Outcome) -> None:
        for what, error in outcome.errors:
            self._damage(what, error, entry.path)
        if entry.kind is not Kind.FILE:
            return
        self._files += 1
        for ref in outcome.refs:
            mark = hash((ref.pack, ref.offset))
            if mark not in self._seen:
                self._seen.add(mark)
                self._chunks += 1
                self._size += ref.length
        if isinstance(entry.content, bytes):
            self._size += len(entry.content)
        self._progress.advance(entry.size, 1)

    def _hidden(self, ref: BlobRef, error: VfsError, last: bytes, entries: int) -> None:
        damage = self._damage(place(ref), error, path_of(last) if last else b"")
        damage.entries += entries - 1

    def _damage(self, what: str, error: VfsError, path: bytes | None) -> Damage:
        damage = self._damages.setdefault(what, Damage(what, str(error), [], 0))
        if path is not None:
            damage.entries += 1
            if len(damage.paths) < PATHS_NAMED:
                damage.paths.append(path)
        return damage


class _Parents:
    """Checks that every entry lies in a directory; entries of one directory come together, so each is asked once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._last = b""

    def wrong(self, entry: Entry) -> Corrupt | None:
        """What is wrong with the place of an entry, if anything."""
        parent = entry.parent
        if parent == self._last:
            return None
        try:
            above = self._tree.find(parent)
        except DAMAGE:
            # The page it would be in is damaged and named as such.
            return None
        if above is not None and above.kind is Kind.DIR:
            self._last = parent
            return None
        return Corrupt(f"{printable(entry.path)}: lies in no directory")


class _Linked:
    """Checks that files of several names have just those, and that all say the same of the file."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        # The names seen of each file, until all are.
        self._seen: Counter[bytes] = Counter()

    def wrong(self, entry: Entry) -> Corrupt | None:
        """What is wrong with the other names of an entry, if anything."""
        links = entry.links
        if links is None:
            return None
        self._seen[links.first] += 1
        try:
            fits = self._fits(entry, links)
        except DAMAGE:
            return None
        if self._seen[links.first] == links.count:
            del self._seen[links.first]
        return None if fits else Corrupt(f"{printable(entry.path)}: its other names are not those of one file")

    def _fits(self, entry: Entry, links: Links) -> bool:
        if links.first == entry.path:
            return sum(1 for _ in names(self._tree, entry.path)) == links.count
        first = self._tree.find(links.first)
        # The first comes first: it was seen, unless it is none, and what comes when all were seen is one too many.
        return first is not None and is_other_name(first, entry) and self._seen[links.first] > 1
