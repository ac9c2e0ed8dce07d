"""Which outputs of a run were made from files it is known to have used, and which may have been."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from vfs.journal.origins import changes
from vfs.journal.sealed import Reading, Sealed
from vfs.model.commit import StoredCommit
from vfs.model.entry import Kind
from vfs.model.record import Read
from vfs.repo.library import Library

# Changes that vfs makes itself: each path is taken as it is from the same path of the input.
COPIES = frozenset({"merge", "revert", "reset"})


class Use(msgspec.Struct, frozen=True):
    """What a run had of what was asked about, by way of its input number `place`.

    `reading` holds that alone; nothing where the run is not known to have read it. `direct` are the files of it that
    are certain to be, or to be made from, what was asked about.
    """

    place: int
    reading: Reading
    direct: frozenset[bytes]


class Affected(msgspec.Struct, frozen=True):
    """Paths of a commit: made from what was asked about, or possibly so."""

    direct: frozenset[bytes] = frozenset()
    possible: frozenset[bytes] = frozenset()

    def joined(self, other: Affected) -> Affected:
        """Both together; direct once is direct."""
        direct = self.direct | other.direct
        return Affected(direct, (self.possible | other.possible) - direct)


def affected(library: Library, made: StoredCommit, sealed: Sealed | None, uses: Iterable[Use]) -> Affected:
    """What the run behind `made` made from these uses: all its outputs, the certain ones apart."""
    wanted = {(use.place, path) for use in uses for path in use.direct}
    direct: set[bytes] = set()
    if sealed is not None and wanted:

        def asked(read: Read) -> bool:
            return (read.input, read.path) in wanted

        direct = sealed.own.made_from(asked)
    return Affected(frozenset(direct), outputs(library, made, sealed) - direct)


def outputs(library: Library, made: StoredCommit, sealed: Sealed | None) -> frozenset[bytes]:
    """What a commit made or changed: by its record, else by what differs from its parent."""
    if sealed is not None and sealed.record.outputs:
        return frozenset(output.path for output in sealed.record.outputs)
    new = (change.new for change in changes(library, made))
    return frozenset(entry.path for entry in new if entry is not None and entry.kind is not Kind.DIR)


def copied(library: Library, made: StoredCommit, given: StoredCommit, paths: frozenset[bytes]) -> frozenset[bytes]:
    """Those of `paths` that a merge, revert or reset took over from `given`."""
    tree = library.tree(given)
    found = set()
    for change in changes(library, made):
        if change.new is not None and change.path in paths:
            there = tree.find(change.path)
            if there is not None and there.same_as(change.new):
                found.add(change.path)
    return frozenset(found)
