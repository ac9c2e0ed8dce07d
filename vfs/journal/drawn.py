"""What a run had of its inputs, in a form short enough to keep for each run of a store."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import Literal, TypeAlias

from xxhash import xxh3_64_intdigest

from vfs.journal.input_cache import Drawn, Source
from vfs.journal.origins import Origins, first_parent, still_there
from vfs.journal.sealed import Sealed, inherits, sealed_record
from vfs.model.commit import StoredCommit
from vfs.model.ids import Digest
from vfs.repo.commits import read_commit
from vfs.repo.library import Library

Kind: TypeAlias = Literal["read", "listed", "absent"]
# Four bytes for each file read: of a million reads, one in 4,000 questions for another file opens the record in vain.
_MARK = 0xFFFFFFFF


def mark(kind: Kind, repo: str, path: bytes) -> int:
    """A hash of one thing that a run may have had from a repo."""
    return xxh3_64_intdigest(f"{kind}\0{repo}\0".encode() + path) & _MARK


def may_have(drawn: Drawn, marks: frozenset[int]) -> bool:
    """Whether a run had one of these things: never False when it had, seldom True when it had not."""
    if not drawn.observed or len(drawn.marks) % 4:
        return True
    known = memoryview(drawn.marks).cast("I")
    end = len(known)
    if end < len(marks):
        return not marks.isdisjoint(known)
    return any((place := bisect_left(known, wanted)) < end and known[place] == wanted for wanted in marks)


def draw(library: Library, origins: Origins, made: StoredCommit) -> Drawn:
    """What the run behind a commit had. NotFound, ObjectMissing and Corrupt when that cannot be told."""
    sealed = sealed_record(library, made)
    observed = sealed is not None and sealed.observed
    found: dict[Source, None] = {}
    for repo, id in dict.fromkeys((item.repo, item.commit) for item in made.commit.inputs):
        given = read_commit(library, repo, id)
        found[repo, id] = None
        if sealed is not None and observed:
            found.update(((repo, origin.id), None) for origin, _ in origins.of(given, _paths(sealed, given)))
        else:
            found.update(((repo, held), None) for held in _held(library, given))
    marks = array("I", sorted(set(_marks(sealed)))) if sealed is not None else array("I")
    return Drawn(made.commit.repo, made.id, observed, marks.tobytes(), tuple(found))


def _marks(sealed: Sealed) -> Iterator[int]:
    for reading in sealed.readings:
        repo = reading.input.repo
        yield from (mark("read", repo, path) for path, _ in reading.files)
        yield from (mark("listed", repo, path) for path in reading.listed)
        yield from (mark("absent", repo, path) for path in reading.absent)


def _held(library: Library, stored: StoredCommit) -> Iterator[Digest]:
    """The earlier commits of the repo of which something is still in `stored`."""
    newer = stored
    while inherits(library, newer) and (older := first_parent(library, newer)) is not None:
        if any(True for _ in still_there(library, older, stored)):
            yield older.id
        newer = older


def _paths(sealed: Sealed, given: StoredCommit) -> set[bytes]:
    source = (given.commit.repo, given.id)
    readings = (one for one in sealed.readings if (one.input.repo, one.input.commit) == source)
    return {path for reading in readings for path, _ in reading.files}
