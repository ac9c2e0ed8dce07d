"""The inputs of one output of a run: what its writer, and all it had data from, had read before it wrote last."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

import msgspec

from vfs.journal.flow import ProcessFlow
from vfs.model.record import SEEN_ALL, Output, Read, RunRecord

Kind: TypeAlias = Literal["reads", "listed", "absent"]
_KINDS: tuple[Kind, ...] = ("reads", "listed", "absent")
# Why the inputs of an output are all those of its run.
NOT_OBSERVED = "reads were not observed"
LOST = "some reads are not known"
NO_OUTPUT = "the run has no record of writing it"
NO_WRITER = "which process wrote it is not known"
# After all moments of a record, which are below 2^64.
_END = 1 << 64
_NEVER = _END + 1


class Own(msgspec.Struct, frozen=True):
    """What outputs were made from, in the order of the record.

    `narrowed`: these are the inputs of the outputs alone; else all of the run, and `reason` says why.
    """

    reads: tuple[Read, ...]
    listed: tuple[Read, ...]
    absent: tuple[Read, ...]
    narrowed: bool
    reason: str = ""


class OwnInputs:
    """One record, indexed once. An output that the record tells too little of has all inputs of the run.

    Reads by a process that is not known, or cannot be placed among the others, belong to every output.
    """

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self._flow = ProcessFlow(record.processes)
        self._anyones = self._flow.unplaced()
        self._outputs = {output.path: output for output in record.outputs}
        self._by_process: dict[Kind, dict[int, _Ordered]] = {}

    @property
    def never(self) -> str:
        """Why no output of this run can be narrowed, "" when some may be."""
        if self._record.level not in SEEN_ALL:
            return NOT_OBSERVED
        return LOST if self._record.gaps else ""

    def reason(self, path: bytes) -> str:
        """Why `path` has all inputs of the run, "" when it has its own."""
        output = self._outputs.get(path)
        if self.never or output is None:
            return self.never or NO_OUTPUT
        return "" if output.writer in self._flow else NO_WRITER

    def of(self, paths: Iterable[bytes]) -> Own:
        """The inputs of these outputs together; all of the run as soon as one of them has no inputs of its own."""
        writers: dict[int, int] = {}
        for path in paths:
            reason = self.reason(path)
            if reason:
                return self._whole(reason)
            output = self._outputs[path]
            writers[output.writer] = max(writers.get(output.writer, 0), _until(output))
        until = {0: max(writers.values(), default=0), **self._flow.latest(writers)}
        reads, listed, absent = (self._before(kind, until) for kind in _KINDS)
        return Own(reads, listed, absent, narrowed=True)

    def made_from(self, wanted: Callable[[Read], bool], *, kinds: Iterable[Kind] = ("reads",)) -> set[bytes]:
        """The outputs that have a wanted one among their inputs, their own or those of the run."""
        first: dict[int, int] = {}
        for read in (read for kind in kinds for read in self._all(kind) if wanted(read)):
            owner = self._owner(read.process)
            first[owner] = min(first.get(owner, read.at), read.at)
        if not first:
            return set()
        anyones = first.pop(0, _NEVER)
        earliest = self._flow.earliest(first)
        return {
            path
            for path, output in self._outputs.items()
            if self.reason(path) or min(anyones, earliest.get(output.writer, _NEVER)) <= _until(output)
        }

    def _owner(self, process: int) -> int:
        """The process, 0 for one that may be anyone."""
        return 0 if process in self._anyones or process not in self._flow else process

    def _before(self, kind: Kind, until: dict[int, int]) -> tuple[Read, ...]:
        ordered = self._ordered(kind)
        places = [place for key, at in until.items() if key in ordered for place in ordered[key].before(at)]
        reads = self._all(kind)
        return tuple(reads[place] for place in sorted(places))

    def _all(self, kind: Kind) -> tuple[Read, ...]:
        match kind:
            case "reads":
                return self._record.reads
            case "listed":
                return self._record.listed
            case "absent":
                return self._record.absent

    def _ordered(self, kind: Kind) -> dict[int, _Ordered]:
        found = self._by_process.get(kind)
        if found is None:
            groups: dict[int, list[tuple[int, int]]] = {}
            for place, read in enumerate(self._all(kind)):
                groups.setdefault(self._owner(read.process), []).append((read.at, place))
            found = self._by_process[kind] = {key: _Ordered(pairs) for key, pairs in groups.items()}
        return found

    def _whole(self, reason: str) -> Own:
        record = self._record
        return Own(record.reads, record.listed, record.absent, narrowed=False, reason=reason)


class _Ordered:
    """The places of the reads of one process, by moment."""

    def __init__(self, pairs: list[tuple[int, int]]) -> None:
        pairs.sort()
        self._moments = [at for at, _ in pairs]
        self._places = [place for _, place in pairs]

    def before(self, at: int) -> list[int]:
        """Those up to and with the moment `at`."""
        return self._places[: bisect_right(self._moments, at)]


def own_inputs(record: RunRecord, path: bytes) -> Own:
    """What the output `path` was made from; for more than one output of a record keep an `OwnInputs`."""
    return OwnInputs(record).of((path,))


def _until(output: Output) -> int:
    # Written nobody knows when: after all of it.
    return output.at or _END
