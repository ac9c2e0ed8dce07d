"""One reading of a layer for a commit: the tree of what the mount shows, written through a content writer.

The layer is walked twice: first for what is gone, then for what is there, in key order, so that memory
does not grow with the layer. A mount in use may change in between; what is gone only the second time makes
the reading void (Busy), and it is done again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from heapq import merge

import msgspec

from vfs.content.writer import ContentWriter
from vfs.errors import Busy
from vfs.journal.writers import UNKNOWN, Writers
from vfs.model.entry import Entry, Links
from vfs.model.names import printable
from vfs.model.record import Output
from vfs.repo.ingest import ingest
from vfs.repo.notes import Notes
from vfs.repo.progress import Progress
from vfs.repo.walk import Found
from vfs.tree.edit import edit_sorted
from vfs.tree.keys import key_of
from vfs.tree.writer import Root
from vfs.workspace.compare import Comparison, LayerChange, What, without_descriptors
from vfs.workspace.confirm import is_unchanged, may_be_hollow, read_again
from vfs.workspace.index import DigestIndex
from vfs.workspace.linked import Company
from vfs.workspace.marks import is_users_own
from vfs.workspace.node import Node
from vfs.workspace.opened import OpenedLayer
from vfs.workspace.picking import Picker
from vfs.workspace.selection import Selection

# Entries that need no reading and wait for one that does; a renamed directory may give a million of them.
_WAITING_MAX = 4096


class Reading:
    """Reads a layer once. After `root`, the other attributes say what was found.

    `outputs`: the paths that differ from the last commit. `notes`: what could not be read (then the tree is
    not to be committed) and what was skipped. `index`: digests of all files read now or known before.
    `relinked`: whether a file has other names than in the last commit, be it the same otherwise.
    """

    def __init__(
        self,
        opened: OpenedLayer,
        writer: ContentWriter,
        progress: Progress,
        *,
        since_ns: int,
        selection: Selection | None = None,
        writers: Writers | None = None,
    ) -> None:
        """`since_ns`: files changed at or after that time, by the layer's own clock, are not remembered as read.

        `writers`: who wrote the files of the upper directory, where that is known.
        What `selection` leaves out stays in the tree as the last commit has it.
        """
        self.outputs: list[Output] = []
        self.notes = Notes()
        self.index = DigestIndex()
        self.relinked = False
        self._opened = opened
        self._writer = writer
        self._progress = progress
        self._since_ns = since_ns
        self._writers = writers
        self._removed: set[bytes] = set()
        self._picker = Picker(selection or Selection(), opened.tree, opened.ignores())

    def root(self) -> Root:
        """The tree of what the mount shows. Busy when it changed too much meanwhile, LocalIOError."""
        reverted = self._first_pass()
        comparison = self._opened.comparison(same_content=self._surely_same, notes=self.notes, taken=self._is_removed)
        # What the layer tells of by now comes from there.
        silent = (entry for entry in reverted if not comparison.tells_of(entry.path))
        puts = merge(self._entries(comparison.touched()), silent, key=lambda entry: key_of(entry.path))
        return edit_sorted(self._opened.tree, self._writer, puts, removed=self._removed)

    def _first_pass(self) -> list[Entry]:
        """Notes what is gone; gives the entries of the commit below that show again, in key order."""
        comparison = self._opened.comparison(same_content=lambda node, old: True)
        company = Company(self._opened.lower)
        self._note(comparison.touched(), company)
        changes = list(comparison.reverted())
        self._note(iter(changes), company)
        self.relinked = any(True for _ in company.changes(comparison.tells_of))
        taken = (change for change in changes if change.new is not None and self._picker.takes(change))
        shown = [(change.what, change.new.as_entry()) for change in taken if change.new is not None]
        self.outputs.extend(Output(entry.path, entry.digest) for what, entry in shown if what is not What.TIME)
        entries = {entry.path: entry for entry in [*(entry for _, entry in shown), *self._silent(company, comparison)]}
        return sorted(entries.values(), key=lambda entry: key_of(entry.path))

    def _silent(self, company: Company, comparison: Comparison) -> Iterator[Entry]:
        """Names that are as they were, of files of which the layer shows another name elsewhere."""
        for path, claim in company.silent(comparison.tells_of) if self._picker.takes_all else ():
            entry = self._opened.tree.find(path)
            if entry is not None:
                yield msgspec.structs.replace(entry, links=Links(claim))

    def _note(self, changes: Iterator[LayerChange], company: Company) -> None:
        for change in changes:
            company.note(change)
            self._picker.note(change)
            for path in self._picker.removals(change.path) if change.new is None else ():
                self._removed.add(path)
                self.outputs.append(Output(path, b""))

    def _entries(self, changes: Iterator[LayerChange]) -> Iterator[Entry]:
        waiting: deque[LayerChange] = deque()
        more = _More(self._checked(changes), waiting)
        while not more.ended:
            for entry in self._ingested(more):
                while waiting[0].path != entry.path:
                    yield from self._ready(waiting.popleft(), None)
                yield from self._ready(waiting.popleft(), entry)
            while waiting:
                yield from self._ready(waiting.popleft(), None)

    def _ingested(self, more: _More) -> Iterator[Entry]:
        jobs = self._opened.library.settings.jobs
        return ingest(self._writer, more.to_read(), notes=self.notes, progress=self._progress, jobs=jobs)

    def _checked(self, changes: Iterator[LayerChange]) -> Iterator[LayerChange]:
        for change in changes:
            if change.new is not None:
                if self._picker.takes(change):
                    yield self._without_reading(change)
            elif not all(map(self._is_removed, self._picker.removals(change.path))):
                raise Busy(f"{self._shown(change.path)}: was removed while the layer was read")

    def _without_reading(self, change: LayerChange) -> LayerChange:
        """`change` with its content taken from the last commit, where the index knows it to be the same."""
        node, old = change.new, change.old
        if node is None or node.status is None or not node.needs_reading or old is None:
            return change
        digest = self._opened.index.find(node.status)
        if digest is None or digest != old.digest:
            return change
        self.index.add(node.status, digest)
        return msgspec.structs.replace(change, new=msgspec.structs.replace(node, source=old))

    def _surely_same(self, node: Node, old: Entry) -> bool:
        """True when the index knows it; otherwise the file is read, and its entry compared."""
        assert node.status is not None
        same = self._opened.index.find(node.status) == old.digest
        if same:
            self.index.add(node.status, old.digest)
        return same

    def _ready(self, change: LayerChange, entry: Entry | None) -> Iterator[Entry]:
        """The entry of one change: as read, or from what is known without; nothing for what could not be read."""
        node = change.new
        if node is None or (entry is None and node.needs_reading):
            return
        entry, old = _cleaned(node.as_entry() if entry is None else self._confirmed(node, entry)), change.old
        same = old is not None and entry.same_as(old)
        if not same and change.what is not What.TIME:
            self.outputs.append(Output(entry.path, entry.digest, *self._written_by(node)))
        if not same or entry.links is not None or (old is not None and old.links is not None):
            yield entry

    def _written_by(self, node: Node) -> tuple[int, int]:
        """Who wrote the file in the upper directory, and when; (0, 0) for anything else."""
        if self._writers is None or node.status is None or not node.needs_reading:
            return UNKNOWN
        return self._writers.last(node.status.st_dev, node.status.st_ino)

    def _confirmed(self, node: Node, entry: Entry) -> Entry:
        """`entry` as read for `node`, or what is there by now when that was no content of any file."""
        if node.status is not None and is_unchanged(node):
            if node.status.st_ctime_ns < self._since_ns:
                self.index.add(node.status, entry.digest)
        elif may_be_hollow(entry):
            return read_again(self._opened, self._writer, entry.path)
        return entry

    def _is_removed(self, path: bytes) -> bool:
        """True when a removal takes the path along: what is there again by now has to be put again."""
        while path and self._removed:
            if path in self._removed:
                return True
            path = path.rpartition(b"/")[0]
        return False

    def _shown(self, path: bytes) -> str:
        return printable(os.path.join(os.fsencode(self._opened.layer.base.mountpoint), path))


class _More:
    """Hands out changes: all of them to `waiting`, those whose content must be read to the reader as well."""

    def __init__(self, changes: Iterator[LayerChange], waiting: deque[LayerChange]) -> None:
        self.ended = False
        self._changes = changes
        self._waiting = waiting

    def to_read(self) -> Iterator[Found]:
        """The files to read, until the changes end or too many others wait for the next one."""
        idle = 0
        for change in self._changes:
            node = change.new
            if node is not None and node.needs_reading and node.found is not None:
                self._waiting.append(change)
                idle = 0
                yield node.found
            else:
                self._waiting.append(without_descriptors(change))
                idle += 1
                if idle >= _WAITING_MAX:
                    return
        self.ended = True


def _cleaned(entry: Entry) -> Entry:
    if all(is_users_own(name) for name, _ in entry.xattrs):
        return entry
    return msgspec.structs.replace(entry, xattrs=tuple(pair for pair in entry.xattrs if is_users_own(pair[0])))
