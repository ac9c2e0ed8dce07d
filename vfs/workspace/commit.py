"""Commit of a layer: from what a writable mount shows to a commit, with the mount in use before, meanwhile and after.

Order of the durable steps: packs and the commit object, the branch (all in `vfs.repo.commit`), the layer's
index, the layer's tip. A crash before the branch moved leaves branch and layer as they were; a crash after
it leaves a tip that is one commit behind, and the next commit finds its changes on the branch already and
makes none. The upper directory is only ever read.
"""

from __future__ import annotations

import time

import msgspec

from vfs.content.writer import ContentWriter
from vfs.errors import Busy, Refused, UsageError
from vfs.journal.record import with_outputs
from vfs.journal.writers import Writers
from vfs.model.commit import StoredCommit
from vfs.model.ids import Digest
from vfs.model.record import Output, RunRecord
from vfs.model.revision import Revision
from vfs.repo.commit import commit_tree
from vfs.repo.library import Library
from vfs.repo.merge import merge_trees
from vfs.repo.notes import Notes
from vfs.repo.progress import NoProgress, Progress
from vfs.repo.resolve import Target, resolve_branch
from vfs.tree.edit import edit
from vfs.tree.writer import Root
from vfs.workspace.layer import Layer
from vfs.workspace.opened import OpenedLayer
from vfs.workspace.parting import parted
from vfs.workspace.pins import Tip
from vfs.workspace.reading import Reading
from vfs.workspace.selection import Selection
from vfs.workspace.writeback import write_back

ATTEMPTS = 2
_FAILURES_NAMED = 10


class LayerCommit(msgspec.Struct, frozen=True):
    """What a commit of a layer did. `stored` is the new commit, or the last one when nothing had `changed`.

    `outputs` are the paths made, changed or removed; `warnings` whole lines about what was skipped or stripped.
    """

    stored: StoredCommit
    changed: bool
    outputs: tuple[Output, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def id(self) -> Digest:
        """The id of the commit."""
        return self.stored.id


def commit_layer(
    library: Library,
    layer: Layer,
    *,
    message: str,
    author: str | None = None,
    target: Revision | None = None,
    record: RunRecord | None = None,
    progress: Progress | None = None,
    selection: Selection | None = None,
    writers: Writers | None = None,
) -> LayerCommit:
    """Commit what the mount of `layer` shows: to the branch it came from, or to `target`, which it then follows.

    `record` is sealed in with its outputs and its end filled in. Refused, naming files, when some cannot be
    read as one state; Busy when the mount is changed too fast; Conflict when other writers changed the same
    paths; UsageError when no branch is known. After an error branch and layer are as they were.

    What `selection` leaves out stays in the layer and is a change as before. `writers` knows who wrote its files.
    """
    with layer.reachable(), layer.work_lock():
        opened = OpenedLayer(library, layer)
        wanted = _wanted(opened, target)
        work = _Work(opened, wanted, message, author or library.settings.author, record, progress or NoProgress())
        work.selection, work.writers = selection, writers
        return work.commit()


def _wanted(opened: OpenedLayer, target: Revision | None) -> Target:
    if target is not None and target.path:
        raise UsageError(f"{target}: a commit goes to a branch, not to a path")
    if target is None and not opened.branch:
        raise UsageError(
            f"{opened.layer.base.mountpoint}: shows a commit or tag of {opened.repo}, not a branch; "
            "say where to commit with -o REPO@BRANCH"
        )
    return resolve_branch(opened.library, target or Revision(opened.repo, opened.branch))


class _Work:
    """One commit of one layer on its way."""

    def __init__(
        self,
        opened: OpenedLayer,
        target: Target,
        message: str,
        author: str,
        record: RunRecord | None,
        progress: Progress,
    ) -> None:
        self.opened = opened
        self.target = target
        self.message = message
        self.author = author
        self.record = record
        self.progress = progress
        self.selection: Selection | None = None
        self.writers: Writers | None = None

    def commit(self) -> LayerCommit:
        """Read, commit, remember."""
        writer = self.opened.library.writer()
        self.progress.start(None)
        reading, shown = self._read(writer)
        reading.index.save(self.opened.layer.index)
        warnings = reading.notes.warnings()
        if not reading.outputs and not reading.relinked and self._is_own_branch():
            return LayerCommit(self.opened.last, False, (), warnings)
        root = self._onto_last(writer, shown)
        landed = self._landed(writer, root)
        if landed is not None:
            self._remember(landed, shown)
            return LayerCommit(landed, False, (), warnings)
        outputs = tuple(sorted(reading.outputs, key=lambda output: output.path))
        stored = self._land(writer, root, outputs)
        self._remember(stored, shown)
        return LayerCommit(stored, True, outputs, warnings)

    def _read(self, writer: ContentWriter) -> tuple[Reading, Root]:
        since_ns = write_back(self.opened.layer)
        for attempt in range(ATTEMPTS):
            last = attempt + 1 == ATTEMPTS
            reading = Reading(
                self.opened,
                writer,
                self.progress,
                since_ns=since_ns,
                selection=self.selection,
                writers=self.writers,
            )
            try:
                root = reading.root()
            except Busy:
                if last:
                    raise
                continue
            if not reading.notes.failures:
                return reading, root
            if last:
                _refuse_failures(reading.notes)
        raise Busy(f"{self.opened.layer.base.mountpoint}: changes too fast to be read")

    def _is_own_branch(self) -> bool:
        return (self.target.repo, self.target.branch) == (self.opened.repo, self.opened.branch)

    def _onto_last(self, writer: ContentWriter, shown: Root) -> Root:
        """`shown` with what other writers' changes added to the last commit and the mount does not show."""
        library = self.opened.library
        last = library.tree(self.opened.last)
        if last.root_ref.digest == self.opened.tree.root_ref.digest:
            return shown
        writer.flush()
        where = f"{self.opened.repo}@{self.opened.branch}"
        changes = merge_trees(self.opened.tree, library.tree_at(shown.ref), last, where=where)
        return edit(last, writer, changes, mtime_ns=time.time_ns())

    def _landed(self, writer: ContentWriter, root: Root) -> StoredCommit | None:
        """The head of the branch, if it holds all of this already: a commit that crashed before it was remembered."""
        head, base, library = self.target.head, self._base(), self.opened.library
        if head is None or base is None or head.id == base.id:
            return None
        writer.flush()
        where = f"{self.target.repo}@{self.target.branch}"
        changes = merge_trees(library.tree(base), library.tree_at(root.ref), library.tree(head), where=where)
        return None if changes else head

    def _land(self, writer: ContentWriter, root: Root, outputs: tuple[Output, ...]) -> StoredCommit:
        record = self.record
        if record is not None:
            record = with_outputs(record, outputs, ended_ns=time.time_ns())
        return commit_tree(
            self.opened.library,
            repo=self.target.repo,
            branch=self.target.branch,
            root=root,
            base=self._base(),
            author=self.author,
            message=self.message,
            record=record,
            writer=writer,
        )

    def _base(self) -> StoredCommit | None:
        """The commit that the changes are counted from when the target branch has moved on.

        On another branch that is where the two parted; one without anything in common gets the whole tree.
        """
        head, last = self.target.head, self.opened.last
        if head is None or self._is_own_branch():
            return last
        return parted(self.opened.library, self.target, head, last) or head

    def _remember(self, stored: StoredCommit, shown: Root) -> None:
        same = stored.commit.root == shown.ref.digest
        self.opened.layer.set_tip(
            Tip(
                repo=self.target.repo,
                branch=self.target.branch,
                commit=stored.id.hex(),
                root=None if same else shown.ref,
            )
        )


def _refuse_failures(notes: Notes) -> None:
    failures = notes.failures
    if failures:
        named = "; ".join(str(failure) for failure in failures[:_FAILURES_NAMED])
        more = f" and {len(failures) - _FAILURES_NAMED} more" if len(failures) > _FAILURES_NAMED else ""
        raise Refused(f"{named}{more}; nothing was committed")
