"""Why two commits differ: what their runs were made from, side by side, and what came of it.

From the commits of the store alone. The order of causes is that of how often each is the reason: inputs, code,
command, environment, programs, machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from vfs.errors import PathNotFound
from vfs.journal.causes import (
    Cause,
    code_causes,
    command_causes,
    environment_causes,
    executable_causes,
    machine_causes,
)
from vfs.journal.inputs_apart import input_causes, shown_causes
from vfs.journal.origins import files_below, origins
from vfs.journal.sealed import Reading, Sealed, sealed_record
from vfs.model.commit import StoredCommit
from vfs.model.entry import Entry, Kind
from vfs.repo.compare import Change, change_of, compare
from vfs.repo.first_byte import first_byte
from vfs.repo.library import Library
from vfs.repo.resolve import Resolved
from vfs.tree.diff import Difference

NOT_DETERMINISTIC = "same inputs, same code, same command: the program is not deterministic"
NOT_OBSERVED = "nothing that was recorded differs, but not all reads were observed: an input can be the cause"
SAME = "the outputs are the same"
SAME_COMMIT = "both were made by the same commit"
_LIKELY = {
    "inputs": "what was read differs",
    "code": "the code differs",
    "command": "the command differs",
    "environment": "the environment differs",
    "executables": "the programs differ",
    "machine": "the machine differs",
}


class Side(msgspec.Struct, frozen=True):
    """One of the two: the commit that made what was asked about, and its record, if it has one.

    `readings` is what that was made from; `narrowed`: and nothing else of the run.
    """

    resolved: Resolved
    maker: StoredCommit
    sealed: Sealed | None
    readings: tuple[Reading, ...] = ()
    narrowed: bool = False


class Explanation(msgspec.Struct, frozen=True):
    """Both sides, what differs between how they were made (the likely first), and a sentence that sums it up.

    `same`: what they hold is the same, times aside.
    """

    a: Side
    b: Side
    causes: tuple[Cause, ...]
    verdict: str
    same: bool


class OutputDifference(msgspec.Struct, frozen=True):
    """A path of which A and B hold other things; `offset`: the first byte that differs of two files."""

    path: bytes
    change: Change
    offset: int | None = None


def explain(library: Library, a: Resolved, b: Resolved) -> Explanation:
    """Why what the two revisions name differs.

    With paths: one output (or a directory of them), made by the commit that last changed it, and its own inputs where
    they are known. PathNotFound, Corrupt.
    """
    old, new = _side(library, a), _side(library, b)
    same = next(_differences(library, a, b), None) is None
    causes = tuple(sorted(_causes(library, old, new), key=lambda cause: not cause.likely))
    return Explanation(old, new, causes, _verdict(old, new, causes, same=same), same)


def differing_outputs(library: Library, a: Resolved, b: Resolved) -> Iterator[OutputDifference]:
    """What A and B hold of other content, kind or attributes, by path; contents are read as far as they are equal."""
    for found in _differences(library, a, b):
        old, new = found.old, found.new
        offset = None
        if old is not None and new is not None and _are_files(old, new) and old.digest != new.digest:
            offset = first_byte(library.files, old, new)
        yield OutputDifference(found.path, change_of(found), offset)


def _side(library: Library, resolved: Resolved) -> Side:
    maker, paths = resolved.stored, frozenset[bytes]()
    if resolved.path:
        tree = library.tree(resolved.stored)
        if tree.find(resolved.path) is None:
            raise PathNotFound(f"{resolved.revision}: no such path")
        wanted = files_below(tree, resolved.path)
        maker, found = next(origins(library, resolved.stored, wanted))
        paths = frozenset(found)
    sealed = sealed_record(library, maker)
    if sealed is None:
        return Side(resolved, maker, None)
    if not paths:
        return Side(resolved, maker, sealed, sealed.readings)
    own = sealed.own.of(paths)
    return Side(resolved, maker, sealed, sealed.readings_of(own), own.narrowed)


def _causes(library: Library, old: Side, new: Side) -> Iterator[Cause]:
    if old.sealed is None or new.sealed is None or old.maker.id == new.maker.id:
        return
    a, b = old.sealed.record, new.sealed.record
    observed = old.sealed.observed and new.sealed.observed
    yield from input_causes(library, old.readings, new.readings, observed=observed)
    yield from shown_causes(a, b)
    if a.kind != b.kind:
        yield Cause("command", "made in another way", a.kind, b.kind)
    yield from code_causes(a, b)
    yield from command_causes(a, b)
    yield from environment_causes(a, b)
    yield from executable_causes(a, b)
    yield from machine_causes(a, b)


def _verdict(old: Side, new: Side, causes: tuple[Cause, ...], *, same: bool) -> str:
    if same:
        return SAME
    if old.maker.id == new.maker.id:
        return SAME_COMMIT
    for side, name in ((old, "A"), (new, "B")):
        if side.sealed is None:
            return f"{name} has no run record: how it was made is not known"
    for side, name in ((old, "A"), (new, "B")):
        assert side.sealed is not None
        kind = side.sealed.record.kind
        if kind != "run":
            return f"{name} was made by {kind}, not by a run: what it was made from is not known"
    likely = list(dict.fromkeys(_LIKELY[cause.about] for cause in causes if cause.likely))
    if likely:
        return "; then ".join(likely) if len(likely) < 3 else f"{likely[0]}; then {', '.join(likely[1:])}"
    return _verdict_without_cause(old, new, causes)


def _verdict_without_cause(old: Side, new: Side, causes: tuple[Cause, ...]) -> str:
    assert old.sealed is not None and new.sealed is not None
    if not old.sealed.observed or not new.sealed.observed:
        return NOT_OBSERVED
    other = [cause.text for cause in causes if cause.about in ("machine", "command")]
    hint = f", or depends on what else differs ({', '.join(other)})" if other else ""
    return f"{NOT_DETERMINISTIC}{hint}"


def _differences(library: Library, a: Resolved, b: Resolved) -> Iterator[Difference]:
    return (found for found in compare(library, a, b) if not _only_times(found.old, found.new))


def _only_times(old: Entry | None, new: Entry | None) -> bool:
    if old is None or new is None or old.kind is not new.kind:
        return False
    return (old.mode, old.digest, old.target, old.xattrs) == (new.mode, new.digest, new.target, new.xattrs)


def _are_files(old: Entry, new: Entry) -> bool:
    return old.kind is Kind.FILE and new.kind is Kind.FILE
