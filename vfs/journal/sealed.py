"""The run record of a commit as lineage needs it: checked, since whoever can write to a store can write one."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from vfs.errors import Corrupt, InvalidName
from vfs.journal.own import Own, OwnInputs
from vfs.model.commit import InputCommit, StoredCommit
from vfs.model.ids import Digest, check_digest, short
from vfs.model.names import check_label, check_path
from vfs.model.record import SEEN_ALL, Read, RunRecord
from vfs.repo.commits import read_record
from vfs.repo.library import Library


class Reading(msgspec.Struct, frozen=True):
    """What a run had of one of its inputs: files it read, directories it listed, names it looked up in vain.

    Each once, by path.
    """

    input: InputCommit
    files: tuple[tuple[bytes, Digest], ...]
    listed: tuple[bytes, ...] = ()
    absent: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files or self.listed or self.absent)


class Sealed(msgspec.Struct, frozen=True):
    """A checked record, and what it had of its inputs, in their order.

    `observed`: every open of an input was seen, so what is not among the reads was not read.
    """

    record: RunRecord
    readings: tuple[Reading, ...]
    own: OwnInputs

    @property
    def observed(self) -> bool:
        """True when no read can be missing."""
        return self.record.level in SEEN_ALL and not self.record.gaps

    def readings_of(self, found: Own) -> tuple[Reading, ...]:
        """What these inputs are, by input commit."""
        return self.readings if not found.narrowed else _readings(self.record, found)


def sealed_record(library: Library, stored: StoredCommit) -> Sealed | None:
    """The record sealed into a commit, None when it has none; Corrupt when it makes no sense."""
    record = read_record(library, stored)
    if record is None:
        return None
    what = f"commit {short(stored.id)}: run record"
    for item in record.inputs:
        check_input(item, what)
    for kind in (record.reads, record.listed, record.absent):
        _check_reads(kind, len(record.inputs), what)
    whole = Own(record.reads, record.listed, record.absent, narrowed=False)
    return Sealed(record, _readings(record, whole), OwnInputs(record))


def inherits(library: Library, stored: StoredCommit) -> bool:
    """True when files of earlier commits may be in the tree: not in the first of a repo, nor in what a run made."""
    if not stored.commit.parents:
        return False
    record = read_record(library, stored) if stored.commit.inputs else None
    return record is None or record.kind != "run"


def check_input(item: InputCommit, what: str) -> InputCommit:
    """`item` if it may name a commit, else Corrupt naming `what`."""
    try:
        _check_repo(item.repo)
    except InvalidName as error:
        raise Corrupt(f"{what}: an input that no repo can hold: {error}") from error
    check_digest(item.commit, what)
    return item


@lru_cache(maxsize=1024)
def _check_repo(repo: str) -> str:
    return check_label("repo", repo)


def _check_reads(reads: Iterable[Read], inputs: int, what: str) -> None:
    for read in reads:
        if not 0 <= read.input < inputs:
            raise Corrupt(f"{what}: a read of input {read.input} of {inputs}")
        try:
            check_path(read.path)
        except InvalidName as error:
            raise Corrupt(f"{what}: a read of what is no path: {error}") from error


def _readings(record: RunRecord, own: Own) -> tuple[Reading, ...]:
    files: list[dict[bytes, Digest]] = [{} for _ in record.inputs]
    for read in own.reads:
        files[read.input].setdefault(read.path, read.digest)
    listed, absent = _paths(own.listed, len(files)), _paths(own.absent, len(files))
    return tuple(
        Reading(item, tuple(sorted(files[place].items())), listed[place], absent[place])
        for place, item in enumerate(record.inputs)
    )


def _paths(reads: Iterable[Read], inputs: int) -> list[tuple[bytes, ...]]:
    found: list[set[bytes]] = [set() for _ in range(inputs)]
    for read in reads:
        found[read.input].add(read.path)
    return [tuple(sorted(paths)) for paths in found]
