"""Reading ahead for a run whose command ran before: files come in the order in which they were read then."""

from __future__ import annotations

import os
from functools import partial

from vfs.content.ranges import join_ranges
from vfs.control.spec import MountSpec, View
from vfs.journal.earlier import earlier_reads
from vfs.journal.log import Journal
from vfs.journal.session import session_start
from vfs.model.entry import Entry
from vfs.tree.replay import Replay, Turn, gather_turn
from vfs.tree.windows import Found
from vfsd.bring import TRIPWIRE, Bringer
from vfsd.filesystem import FileSystem
from vfsd.levers import Means
from vfsd.mounted import MountedTree
from vfsd.node import ROOT, Absent

AT_WORK = "on, in the order of an earlier run"


class Again:
    """The orders that the inputs of a run were read in before, by the topmost inode of each.

    Belongs to the event loop, and never waits. The journal is read in a thread, from `begin` on; until then, without an
    earlier run, and once its order is not followed, nothing is claimed. Only a run has a command that tells
    its readers: other mounts have no order.
    """

    def __init__(self, spec: MountSpec, files: FileSystem, bringer: Bringer, means: Means) -> None:
        self._spec = spec
        self._files = files
        self._bringer = bringer
        self._means = means
        self._replays: dict[int, Replay] = {}

    def begin(self) -> None:
        """Look for an earlier run, and fetch the first of what it read."""
        if self._spec.session and self._spec.kind == "views":
            self._bringer.submit(self._recall)

    def note(self, part: MountedTree, entry: Entry, *, waited: bool) -> bool:
        """A file is being read from its start; whether it was its turn, so that nobody else need guess from it."""
        replay = self._replays.get(part.top)
        if replay is None:
            return False
        in_turn = replay.note(entry.path, waited=waited)
        self._go_on(part, replay)
        return in_turn

    def _recall(self) -> None:
        with Journal.open(self._spec.settings.state_dir) as journal:
            start, _ = session_start(journal, self._spec.session)
            if start.kind != "run":
                return
            for view in self._spec.views:
                part = self._part(view)
                paths = earlier_reads(journal, start.command, start.cwd, repo=view.repo)
                shown = [path for path in paths if _below(path, view.path)]
                if part is not None and shown:
                    self._bringer.tell(partial(self._take, part, Replay(shown)))

    def _part(self, view: View) -> MountedTree | None:
        node = self._files.lookup(ROOT, os.fsencode(view.name))
        return None if isinstance(node, Absent) else self._files.tree_of(node.inode)

    def _take(self, part: MountedTree, replay: Replay) -> None:
        self._replays[part.top] = replay
        self._go_on(part, replay)

    def _go_on(self, part: MountedTree, replay: Replay) -> None:
        if replay.over:
            del self._replays[part.top]
        elif (turn := replay.next()) is not None:
            self._bringer.submit(partial(self._gather, part, replay, turn))
        self._means.prefetch = AT_WORK if self._replays else "on"

    def _gather(self, part: MountedTree, replay: Replay, turn: Turn) -> None:
        found = Found([], [], turn.position, 0)
        try:
            found = gather_turn(part.tree, turn)
        finally:
            self._bringer.tell(partial(replay.fetched, turn, found.end, found.size))
        # What is read in any order lies in many places: each is a request of its own, and they overlap.
        for span in join_ranges(dict.fromkeys(found.refs)):
            among = set(span.refs)
            self._bringer.bring(part, span.refs, [file for file in found.files if file[1] in among], _tripwires(found))


def _tripwires(found: Found) -> set[int]:
    """The rows of the files that are left for their reader to ask for."""
    return {found.files[place][0] for place in (int(TRIPWIRE * len(found.files)), -1)} if found.files else set()


def _below(path: bytes, top: bytes) -> bool:
    return not top or path == top or path.startswith(top + b"/")
