"""What uses are looked for of, downwards: a commit, or certain bytes at certain paths of a repo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from vfs.journal.drawn import mark
from vfs.journal.origins import Origins, changes
from vfs.journal.sealed import Reading
from vfs.model.commit import StoredCommit
from vfs.model.entry import Kind
from vfs.model.ids import Digest
from vfs.repo.library import Library


class Source(msgspec.Struct, frozen=True):
    """A commit `runs` runs away from the one asked about, or (with `versions`) paths of that one.

    Of the commit that was asked about all that is in it counts, of others what they made.

    `versions` gives the digest at each path, None for whatever it is. `direct` are the paths of the commit that are
    certain to be made from what was asked about, None for all. `folders` and `names` are the directories in which
    the paths are listed, and the paths whose absence counts: for those who ask for `listings`.
    """

    stored: StoredCommit
    library: Library
    runs: int
    direct: frozenset[bytes] | None = None
    versions: Mapping[bytes, Digest | None] | None = None
    folders: frozenset[bytes] = frozenset()
    names: frozenset[bytes] = frozenset()
    listings: bool = False

    def marks(self, repo: str) -> list[int] | None:
        """The marks of what runs may have had of it; None for a whole commit."""
        return None if self.versions is None else list(self._marks(repo, self.versions))

    def files_in(self, given: StoredCommit, reading: Reading, origins: Origins) -> Reading:
        """What a run read of this source, when it was given the commit `given` and had `reading` of it."""
        if self.versions is not None:
            return self._by_bytes(reading, self.versions)
        if given.id == self.stored.id and not self.runs:
            return reading
        same: set[bytes] = set()
        for origin, paths in origins.of(given, [path for path, _ in reading.files]):
            if origin.id == self.stored.id:
                same |= paths
        files = tuple(item for item in reading.files if item[0] in same)
        if self.listings and not files and given.id == self.stored.id:
            return Reading(reading.input, (), reading.listed, reading.absent)
        return Reading(reading.input, files)

    def direct_of(self, reading: Reading) -> frozenset[bytes]:
        """The files of `reading` that are certain."""
        return self.direct_paths(frozenset(path for path, _ in reading.files))

    def direct_paths(self, paths: frozenset[bytes]) -> frozenset[bytes]:
        """Those of `paths` that are certain."""
        return paths if self.direct is None else paths & self.direct

    def counts_unread(self, given: StoredCommit, origins: Origins, *, observed: bool) -> bool:
        """True for a run of which no read of the source is known, and that is to be shown all the same.

        Where reads were not all seen, it may have read the source. Where they were, it was merely given it:
        worth knowing of the commit that was asked about, and no way by which data went any further.
        """
        if not observed:
            return self.may_be_in(given, origins)
        return self.runs == 0 and self.versions is None and given.id == self.stored.id

    def may_be_in(self, given: StoredCommit, origins: Origins) -> bool:
        """True when something of the source is in `given`."""
        # Of whole commits, only those that hold something of the source are candidates.
        return self.versions is None or bool(self.all_in(given, origins))

    def all_in(self, given: StoredCommit, origins: Origins) -> frozenset[bytes]:
        """The paths of the source that are the same in `given`."""
        if self.versions is not None:
            return frozenset(self._present(given, self.versions))
        new = (change.new for change in changes(self.library, self.stored))
        paths = frozenset(entry.path for entry in new if entry is not None and entry.kind is not Kind.DIR)
        if given.id == self.stored.id:
            return paths
        found = origins.of(given, paths)
        return frozenset(path for origin, part in found if origin.id == self.stored.id for path in part)

    def _by_bytes(self, reading: Reading, versions: Mapping[bytes, Digest | None]) -> Reading:
        files = tuple(item for item in reading.files if item[0] in versions and versions[item[0]] in (None, item[1]))
        # A listing or a name in vain counts for a run that read none of the files.
        listed = () if files else tuple(path for path in reading.listed if path in self.folders)
        absent = () if files else tuple(path for path in reading.absent if path in self.names)
        return Reading(reading.input, files, listed, absent)

    def _present(self, given: StoredCommit, versions: Mapping[bytes, Digest | None]) -> Iterator[bytes]:
        tree = self.library.tree(given)
        for path, digest in versions.items():
            entry = tree.find(path)
            if entry is not None and digest in (None, entry.digest):
                yield path

    def _marks(self, repo: str, versions: Mapping[bytes, Digest | None]) -> Iterator[int]:
        yield from (mark("read", repo, path) for path in versions)
        yield from (mark("listed", repo, path) for path in self.folders)
        yield from (mark("absent", repo, path) for path in self.names)


def commit_source(
    library: Library, stored: StoredCommit, *, direct: frozenset[bytes] | None, runs: int, listings: bool
) -> Source:
    """All that a commit made."""
    return Source(stored, library, runs, direct, listings=listings)


def asked(
    library: Library, stored: StoredCommit, paths: frozenset[bytes], *, any_bytes: bool, listings: bool
) -> Source:
    """Paths of the commit that was asked about: what is there now, or with `any_bytes` whatever was."""
    tree = library.tree(stored)
    versions: dict[bytes, Digest | None] = dict.fromkeys(paths)
    if not any_bytes:
        versions.update((path, entry.digest) for path in paths if (entry := tree.find(path)) is not None)
    folders = frozenset(path.rpartition(b"/")[0] for path in paths) if listings else frozenset()
    names = paths if listings else frozenset()
    return Source(stored, library, 0, None, versions, folders, names, listings)
