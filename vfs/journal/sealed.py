"""The run record of a commit as lineage needs it: checked, since whoever can write to a store can write one."""

from __future__ import annotations

import msgspec

from vfs.errors import Corrupt, InvalidName
from vfs.model.commit import InputCommit, StoredCommit
from vfs.model.ids import Digest, check_digest, short
from vfs.model.names import check_label, check_path
from vfs.model.record import SEEN_ALL, RunRecord
from vfs.repo.commits import read_record
from vfs.repo.library import Library


class Reading(msgspec.Struct, frozen=True):
    """What a run read from one of its inputs: each file once, by path."""

    input: InputCommit
    files: tuple[tuple[bytes, Digest], ...]


class Sealed(msgspec.Struct, frozen=True):
    """A checked record, and its reads by input, in the order of the inputs.

    `observed`: every open of an input was seen, so what is not among the reads was not read.
    """

    record: RunRecord
    readings: tuple[Reading, ...]

    @property
    def observed(self) -> bool:
        """True when no read can be missing."""
        return self.record.level in SEEN_ALL and not self.record.gaps


def sealed_record(library: Library, stored: StoredCommit) -> Sealed | None:
    """The record sealed into a commit, None when it has none; Corrupt when it makes no sense."""
    record = read_record(library, stored)
    if record is None:
        return None
    what = f"commit {short(stored.id)}: run record"
    for item in record.inputs:
        check_input(item, what)
    return Sealed(record, _readings(record, what))


def inherits(library: Library, stored: StoredCommit) -> bool:
    """True when files of earlier commits may be in the tree: not in the first of a repo, nor in what a run made."""
    if not stored.commit.parents:
        return False
    sealed = sealed_record(library, stored) if stored.commit.inputs else None
    return sealed is None or sealed.record.kind != "run"


def check_input(item: InputCommit, what: str) -> InputCommit:
    """`item` if it may name a commit, else Corrupt naming `what`."""
    try:
        check_label("repo", item.repo)
    except InvalidName as error:
        raise Corrupt(f"{what}: an input that no repo can hold: {error}") from error
    check_digest(item.commit, what)
    return item


def _readings(record: RunRecord, what: str) -> tuple[Reading, ...]:
    files: list[dict[bytes, Digest]] = [{} for _ in record.inputs]
    for read in record.reads:
        if not 0 <= read.input < len(files):
            raise Corrupt(f"{what}: a read of input {read.input} of {len(files)}")
        try:
            files[read.input].setdefault(check_path(read.path), read.digest)
        except InvalidName as error:
            raise Corrupt(f"{what}: a read of what is no path: {error}") from error
    return tuple(Reading(item, tuple(sorted(found.items()))) for item, found in zip(record.inputs, files, strict=True))
