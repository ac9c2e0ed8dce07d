"""What a run is repeated with: what its record says, found and checked before anything starts."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from vfs.errors import Corrupt, InvalidName, NotADirectory, NotFound, Refused, UsageError
from vfs.journal.masking import is_masked
from vfs.journal.sealed import sealed_record
from vfs.model.commit import InputCommit, StoredCommit
from vfs.model.ids import short
from vfs.model.names import check_label, check_path, printable
from vfs.model.record import RunRecord
from vfs.model.revision import Revision, parse_revision
from vfs.repo.commits import read_commit
from vfs.repo.library import Library
from vfs.repo.resolve import Resolved, resolve
from vfs.run.drift import Drift, drift_of, recorded_environment
from vfs.run.inputs import GivenInput, check_given


class Onto(msgspec.Struct, frozen=True):
    """A revision in place of an input: of the one called `name`, or of the one of its repo when that is ""."""

    revision: Revision
    name: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be run again, found and checked. `changes` are made to our environment.

    `replaced` are the names of inputs that are not those of the record.
    """

    resolved: Resolved
    record: RunRecord
    given: list[GivenInput]
    replaced: tuple[str, ...]
    command: list[bytes]
    cwd: bytes
    changes: dict[str, str | None]
    drifts: tuple[Drift, ...]

    @property
    def stored(self) -> StoredCommit:
        """The commit that the run made."""
        return self.resolved.stored


def parse_onto(text: str) -> Onto:
    """`REV` or `NAME=REV`; InvalidName."""
    name, equals, rest = text.partition("=")
    return Onto(parse_revision(rest), check_label("input", name)) if equals else Onto(parse_revision(text))


def plan(
    library: Library,
    resolved: Resolved,
    *,
    onto: Sequence[Onto] = (),
    command: Sequence[bytes] = (),
    cwd: bytes | None = None,
    restore: bool = True,
) -> Plan:
    """How the run behind a commit is repeated; nothing is started.

    `command` is run instead of the recorded one, `cwd` is where, `onto` replaces inputs; `restore`: with the recorded
    environment. Refused for a commit that no run made and for a command with masked words, NotFound for an input
    or a directory that is gone, UsageError for an `onto` that fits no input, Corrupt.
    """
    record = _record(library, resolved)
    words = list(command) or _recorded_command(resolved, record)
    directory = _directory(resolved, record, cwd)
    given, replaced = _inputs(library, resolved, record, onto)
    return Plan(
        resolved=resolved,
        record=record,
        given=check_given(library, given),
        replaced=replaced,
        command=words,
        cwd=directory,
        changes=recorded_environment(record) if restore else {},
        drifts=tuple(drift_of(record, words, cwd=directory, restore=restore)),
    )


def title(stored: StoredCommit) -> str:
    """How messages name a commit."""
    return f"{stored.commit.repo}@{short(stored.id)}"


def _record(library: Library, resolved: Resolved) -> RunRecord:
    if resolved.path:
        raise UsageError(f"{resolved.revision}: a whole run is repeated, not one path of it")
    sealed = sealed_record(library, resolved.stored)
    name = title(resolved.stored)
    if sealed is None:
        raise Refused(f"{name}: has no run record, so there is no command to repeat")
    kind = sealed.record.kind
    if kind != "run":
        raise Refused(f"{name}: was made by {kind}, not by a run, so there is no command to repeat")
    return sealed.record


def _recorded_command(resolved: Resolved, record: RunRecord) -> list[bytes]:
    name = title(resolved.stored)
    if is_masked(record.command):
        raise Refused(f"{name}: its command holds secrets, which were not recorded; give the command again after --")
    if not record.command or not record.command[0] or any(b"\0" in word for word in record.command):
        raise Corrupt(f"{name}: its run record holds no command that can be run; give one after --")
    return list(record.command)


def _directory(resolved: Resolved, record: RunRecord, cwd: bytes | None) -> bytes:
    wanted = cwd if cwd is not None else record.cwd
    if not wanted or b"\0" in wanted:
        raise NotFound(f"{title(resolved.stored)}: its working directory is not known; --cwd DIR says where to run it")
    if os.path.isdir(wanted):
        return os.path.abspath(wanted)
    if cwd is not None:
        raise NotADirectory(f"{printable(cwd)}: not a directory")
    raise NotFound(f"{printable(wanted)}: the working directory of the run is gone; --cwd DIR says where to run it")


def _inputs(
    library: Library, resolved: Resolved, record: RunRecord, onto: Sequence[Onto]
) -> tuple[list[GivenInput], tuple[str, ...]]:
    """The inputs of a record, with those replaced that `onto` says, and the names of the latter."""
    if not record.inputs:
        raise Corrupt(f"{title(resolved.stored)}: its run record names no input")
    chosen = {_chosen(record, one): one.revision for one in onto}
    if len(chosen) < len(onto):
        raise UsageError("two --onto for one input; give them as NAME=REV")
    given = []
    for place, item in enumerate(record.inputs):
        path = record.shown[place] if place < len(record.shown) else b""
        revision = chosen.get(place)
        given.append(
            _as_recorded(library, resolved, item, path) if revision is None else _new(library, item, revision, path)
        )
    return given, tuple(record.inputs[place].name for place in sorted(chosen))


def _chosen(record: RunRecord, onto: Onto) -> int:
    """The place of the input that is replaced."""
    named = [place for place, item in enumerate(record.inputs) if item.name == onto.name]
    of_repo = [place for place, item in enumerate(record.inputs) if item.repo == onto.revision.repo]
    found = named if onto.name else of_repo
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{item.name} = {item.repo}" for item in record.inputs)
    what = (
        f"no input called {onto.name}" if onto.name else f"{len(found) or 'no'} inputs from repo {onto.revision.repo}"
    )
    raise UsageError(f"{onto.revision}: the run had {what}; choose one with NAME=REV: {names}")


def _new(library: Library, item: InputCommit, revision: Revision, path: bytes) -> GivenInput:
    """A revision as an input: what of it is shown is what was shown of the old one, unless it says so itself."""
    found = resolve(library, revision)
    return GivenInput(_input_name(item), found if found.path else msgspec.structs.replace(found, path=path))


def _as_recorded(library: Library, resolved: Resolved, item: InputCommit, path: bytes) -> GivenInput:
    try:
        stored = read_commit(library, item.repo, item.commit)
    except NotFound as error:
        raise NotFound(
            f"{title(resolved.stored)}: its input {item.name}, {item.repo}@{short(item.commit)}, is gone from the "
            f"store; --onto {item.name}=REV runs it with another"
        ) from error
    try:
        revision = Revision(item.repo, stored.id.hex(), path=check_path(path))
    except InvalidName as error:
        raise Corrupt(f"{title(resolved.stored)}: its run record shows what is no path: {error}") from error
    return GivenInput(_input_name(item), Resolved(revision, item.repo, stored, path, None))


def _input_name(item: InputCommit) -> str:
    try:
        return check_label("input", item.name)
    except InvalidName as error:
        raise Corrupt(f"run record: an input that cannot be shown: {error}") from error
