"""Which names of a writable mount are those of one file, and where that is not as in the last commit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import msgspec

from vfs.tree.links import Marks, names, ring
from vfs.tree.tree import Tree
from vfs.workspace.compare import LayerChange, What, without_descriptors
from vfs.workspace.node import BELOW

TellsOf = Callable[[bytes], bool]


class Company:
    """The files of several names among the changes of a layer, as far as they were noted; some 200 bytes a name.

    A file of the commit below that the layer shows elsewhere may have other names there that it does not tell of.
    """

    def __init__(self, lower: Tree) -> None:
        self._lower = lower
        self._names: defaultdict[bytes, list[bytes]] = defaultdict(list)
        self._same: dict[bytes, LayerChange] = {}

    def note(self, change: LayerChange) -> None:
        """One change, of whatever kind."""
        if change.new is not None and change.new.links is not None:
            self._names[change.new.links.first].append(change.path)
        if change.what is What.LINKS:
            self._same[change.path] = without_descriptors(change)

    def silent(self, tells_of: TellsOf) -> Iterator[tuple[bytes, bytes]]:
        """(path, claim) of names in the commit below that the layer does not tell of, of files that it does tell of."""
        for claim, known in self._names.items():
            if claim.startswith(BELOW):
                for entry in names(self._lower, claim.removeprefix(BELOW)):
                    if entry.path not in known and not tells_of(entry.path):
                        yield entry.path, claim

    def changes(self, tells_of: TellsOf) -> Iterator[LayerChange]:
        """The files that have other names than in the last commit, where nothing else of them was changed."""
        if not self._same:
            return
        groups = {claim: list(paths) for claim, paths in self._names.items()}
        for path, claim in self.silent(tells_of):
            groups[claim].append(path)
        marks: Marks = {}
        for paths in groups.values():
            marks.update(ring(paths))
        for path, change in self._same.items():
            if change.old is not None and change.old.links != marks.get(path):
                yield msgspec.structs.replace(change, what=What.ATTRIBUTES)
