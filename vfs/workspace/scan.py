"""What an upper layer makes of the commit below it, read from the layer's own directory.

The work is proportional to what the layer holds, not to the commit: a directory of the commit is listed
only where the layer moved it elsewhere.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from heapq import merge
from pathlib import Path

import msgspec

from vfs.errors import Busy, Corrupt, LocalIOError, VfsError
from vfs.files.translate import cause_of, local_error
from vfs.model.entry import Entry, Kind
from vfs.model.names import printable
from vfs.repo.directory import Directory
from vfs.repo.walk import Found
from vfs.tree.tree import Tree
from vfs.workspace.marks import (
    Flavour,
    Marks,
    check_marks_can_be_read,
    has_opaque_file,
    has_whiteout_file,
    is_whiteout,
    look,
    read_marks,
    split_names,
)
from vfs.workspace.node import Node, kind_of, node_of_entry, node_of_upper
from vfs.workspace.place import Place, join


class Seen(msgspec.Struct, frozen=True):
    """What the mount shows at one path; `node` None for nothing.

    `replaced`: the topmost directory that shows something else than the commit has at that path, so that the
    layer tells of all it holds. `special`: the `st_mode` of a socket, fifo or device, which is as good as nothing.
    """

    path: bytes
    node: Node | None
    replaced: bool = False
    special: int = 0


class _Spot(msgspec.Struct, frozen=True):
    """A directory that was looked up: open in the upper layer, or None for one that only the commit below has."""

    place: Place
    directory: Directory | None


_Child = tuple[Seen, Place | None]
# A directory, the one above it, and those that an unrelated question comes from.
_SPOTS = 4


class Scan:
    """One upper layer over one commit, read as the calls come; a live mount may change it meanwhile.

    `_spots` keeps the directories looked up last: paths come in the order of a tree, neighbours together.
    """

    def __init__(self, upper: Path, flavour: Flavour, lower: Tree, *, shown: bytes = b"") -> None:
        """`shown`: the mount point, for messages."""
        self.lower = lower
        self._flavour = flavour
        self._shown = shown
        self._spots: dict[bytes, _Spot | None] = {}
        try:
            self._top = Directory.at_path(os.fsencode(upper))
        except OSError as error:
            raise local_error(upper, "read", error) from error
        check_marks_can_be_read(self._top)

    def walk(self) -> Iterator[Seen]:
        """All paths that the layer says something of, in key order, the root first.

        LocalIOError for what cannot be read; Busy for a directory that became something else under our eyes.
        """
        yield Seen(b"", self._root())
        stack = [Place(b"", b"", self._top)]
        while stack:
            below: list[Place] = []
            for seen, place in self._children(stack.pop()):
                yield seen
                if place is not None:
                    below.append(place)
            stack.extend(reversed(below))

    def tells_of(self, path: bytes) -> bool:
        """True when the layer says something of `path`, or of a directory above it that hides what the commit has."""
        parent, _, name = path.rpartition(b"/")
        spot = self._spot(parent) if path else None
        if spot is None or not spot.place.in_place:
            return True
        return spot.directory is not None and self._has(spot.directory, name)

    def node(self, path: bytes) -> Node | None:
        """What the mount shows at one path; None for nothing."""
        if not path:
            return self._root()
        parent, _, name = path.rpartition(b"/")
        spot = self._spot(parent)
        child = self._child(spot, name) if spot is not None else None
        return child[0].node if child is not None else None

    def _spot(self, path: bytes) -> _Spot | None:
        """The directory that the mount shows at `path`; None when it shows none. Kept for the next paths in it."""
        if path in self._spots:
            return self._spots[path]
        spot: _Spot | None = _Spot(Place(b"", b"", self._top), self._top)
        for name in path.split(b"/") if path else []:
            child = self._child(spot, name) if spot is not None else None
            spot = self._inside(spot, child[1]) if spot is not None and child is not None and child[1] else None
        while len(self._spots) >= _SPOTS:
            del self._spots[next(iter(self._spots))]
        self._spots[path] = spot
        return spot

    def _inside(self, spot: _Spot, place: Place) -> _Spot:
        if place.anchor is None or spot.directory is None:
            return _Spot(place, None)
        try:
            return _Spot(place, spot.directory.below([place.names[-1]]))
        except OSError as error:
            raise self._error(place.at, error) from error

    def _has(self, directory: Directory, name: bytes) -> bool:
        try:
            directory.status(name)
        except OSError:
            return has_whiteout_file(directory, name, self._flavour)
        return True

    def _root(self) -> Node:
        status = self._top.status(b".")
        marks = read_marks(self._top, b".", self._flavour)
        return node_of_upper(self._found(b"", self._top, b".", status), status, marks, None)

    def _children(self, place: Place) -> Iterator[_Child]:
        if place.anchor is None:
            yield from self._from_below(place, frozenset())
            return
        try:
            directory = place.open()
            names, gone = split_names(list(map(os.fsencode, os.listdir(directory.fd))), self._flavour)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._error(place.at, error) from error
        own = self._from_upper(place, directory, names, gone)
        if place.in_place or place.origin is None:
            yield from own
        else:
            hidden = frozenset(names) | frozenset(gone)
            yield from merge(own, self._from_below(place, hidden), key=lambda child: child[0].path)

    def _from_upper(
        self, place: Place, directory: Directory, names: list[bytes], gone: list[bytes]
    ) -> Iterator[_Child]:
        marked = set(gone)
        for name in sorted({*names, *gone}):
            child = (Seen(join(place.at, name), None), None) if name in marked else self._upper(place, directory, name)
            if child is not None:
                yield child

    def _from_below(self, place: Place, hidden: frozenset[bytes]) -> Iterator[_Child]:
        assert place.origin is not None
        for _, entry in self.lower.children(place.origin):
            if entry.name not in hidden:
                yield self._below(place, entry)

    def _child(self, spot: _Spot, name: bytes) -> _Child | None:
        """The child `name` of a directory, wherever it is; None when there is nothing."""
        place, directory = spot.place, spot.directory
        if directory is not None:
            if has_whiteout_file(directory, name, self._flavour):
                return Seen(join(place.at, name), None), None
            child = self._upper(place, directory, name)
            if child is not None:
                return child
        if place.origin is None:
            return None
        entry = self.lower.find(join(place.origin, name))
        return self._below(place, entry) if entry is not None else None

    def _below(self, place: Place, entry: Entry) -> _Child:
        path = join(place.at, entry.name)
        inner = place.child_below(entry.name, entry.path) if entry.kind is Kind.DIR else None
        return Seen(path, node_of_entry(entry, path)), inner

    def _upper(self, place: Place, directory: Directory, name: bytes) -> _Child | None:
        """The entry `name` of an open upper directory; None when it is not, or no longer, there."""
        path = join(place.at, name)
        try:
            status, marks = look(directory, name, self._flavour)
            if is_whiteout(status, marks):
                return Seen(path, None), None
            kind = kind_of(status.st_mode)
            if kind is None:
                return Seen(path, None, special=status.st_mode), None
            found = self._found(path, directory, name, status)
            if kind is Kind.DIR:
                return self._directory(place, found, status, marks)
            source = self._source(place, found, status, marks) if kind is Kind.FILE and marks.metacopy else None
            return Seen(path, node_of_upper(found, status, marks, source)), None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._error(path, error) from error

    def _directory(self, place: Place, found: Found, status: os.stat_result, marks: Marks) -> _Child:
        opaque = marks.opaque or has_opaque_file(found.parent, found.name, self._flavour)
        below = None if opaque else self._counterpart(place, found.name, marks)
        origin = below.path if below is not None and below.kind is Kind.DIR else None
        inner = place.child(found.name, found.parent, origin=origin, inode=status.st_ino)
        replaced = inner.within and not place.within
        node = node_of_upper(found, status, marks, None)
        if origin not in (None, found.at):
            node = msgspec.structs.replace(node, origin=origin)
        return Seen(found.at, node, replaced=replaced), inner

    def _source(self, place: Place, found: Found, status: os.stat_result, marks: Marks) -> Entry:
        source = self._counterpart(place, found.name, marks)
        if source is None or source.kind is not Kind.FILE or source.size != status.st_size:
            raise Corrupt(f"{self._name(found.at)}: the layer has its attributes only, and the commit no such file")
        return source

    def _counterpart(self, place: Place, name: bytes, marks: Marks) -> Entry | None:
        """The entry of the commit below that an upper entry belongs to: where it was before it was moved."""
        if marks.redirect.startswith(b"/"):
            return self.lower.find(marks.redirect[1:])
        if place.origin is None:
            return None
        return self.lower.find(join(place.origin, marks.redirect or name))

    def _found(self, path: bytes, directory: Directory, name: bytes, status: os.stat_result) -> Found:
        shown = join(self._shown, path) if path else self._shown
        return Found(path, directory, name, shown, stat.S_IFMT(status.st_mode))

    def _name(self, path: bytes) -> str:
        return printable(join(self._shown, path) if path else self._shown)

    def _error(self, path: bytes, error: OSError) -> VfsError:
        # EINVAL: a symlink is none any more when its target is asked for.
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL):
            return Busy(f"{self._name(path)}: was moved or replaced while it was read")
        return LocalIOError(f"{self._name(path)}: cannot be read in the layer: {cause_of(error)}")
