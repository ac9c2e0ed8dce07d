"""The run record of a session, as sealed into a commit; and those of changes that no session stands behind."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import TypeAlias

import msgspec

import vfs
from vfs.errors import Corrupt
from vfs.journal.events import AbsentSeen, CodeSeen, FirstSeen, ListedSeen, OutsideSeen, ReadsSeen
from vfs.journal.log import Journal
from vfs.journal.masking import masked
from vfs.journal.moments import settled
from vfs.journal.numbered import SEEN, Numbered
from vfs.journal.observed import observed
from vfs.journal.select import select_events
from vfs.journal.session import current_directory, session_start, user_name
from vfs.model.commit import InputCommit
from vfs.model.ids import Digest, short
from vfs.model.record import Code, Output, Outside, Read, RunRecord

Source: TypeAlias = tuple[str, Digest]


def run_record(
    journal: Journal,
    session: str,
    *,
    kind: str | None = None,
    command: Sequence[bytes] | None = None,
    outputs: Sequence[Output] = (),
    exit_code: int = 0,
    ended_ns: int | None = None,
    earlier: Sequence[str] = (),
) -> RunRecord:
    """What the journal knows of `session`, in canonical order: the same facts give the same bytes.

    Processes come parents first, by start time; reads, listings and absent names by process, input and path.
    `kind` and `command` default to those of the session, `ended_ns` to now. The `writer` of an output is a key
    of the session's processes, or what `Writers` says. `earlier`: sessions whose processes and
    reads count as well; one of them that was cut off is a gap. Flush the observer first: what it still holds is not in
    the record. Errors: NotFound for an unknown session, JournalError, Corrupt for an altered record.
    """
    sessions = [*(one for one in earlier if one != session), session]
    start, _ = session_start(journal, session)
    _, started_ns = session_start(journal, sessions[0])
    numbered = Numbered(journal, sessions)
    inputs = _Inputs(start.inputs, {source for one in sessions for source in _sources(journal, one)})
    seen = _Seen(journal, sessions, numbered, inputs)
    observation = observed(journal, sessions)
    code = _code(journal, sessions)
    record = RunRecord(
        kind=start.kind if kind is None else kind,
        command=start.command if command is None else masked(command),
        cwd=start.cwd,
        exit_code=exit_code,
        started_ns=started_ns,
        ended_ns=time.time_ns() if ended_ns is None else ended_ns,
        user=start.user,
        host=start.host,
        version=start.version,
        level=observation.level,
        gaps=observation.gaps,
        environment=start.environment,
        inputs=tuple(inputs.all),
        processes=numbered.processes,
        reads=tuple(seen.of(ReadsSeen)),
        listed=tuple(seen.of(ListedSeen)),
        absent=tuple(seen.of(AbsentSeen)),
        outside=_outside(journal, sessions, numbered),
        code=code.code,
        image=code.image,
        reasons=observation.reasons,
    )
    return with_outputs(record, [_renumbered(output, numbered) for output in outputs]) if outputs else record


def with_outputs(record: RunRecord, outputs: Sequence[Output], *, ended_ns: int | None = None) -> RunRecord:
    """`record` with what the run made or changed, by path, and the end it came to: the last thing before it is sealed.

    In a writable mount a name is looked up before it is made: such names are outputs, and no missing inputs.
    """
    found = sorted_outputs(outputs)
    made = {output.path for output in found} if record.kind == "mount" else set()
    whole = msgspec.structs.replace(
        record,
        outputs=found,
        absent=tuple(name for name in record.absent if name.path not in made),
        ended_ns=record.ended_ns if ended_ns is None else ended_ns,
    )
    return settled(whole)


def mount_record(
    journal: Journal,
    session: str,
    *,
    outputs: Sequence[Output] = (),
    command: Sequence[bytes] | None = None,
    ended_ns: int | None = None,
    earlier: Sequence[str] = (),
) -> RunRecord:
    """The record of a commit made from a writable mount: all that touched the mount since it was mounted.

    A layer outlives unmount and crash: with the sessions of its earlier mounts in `earlier` (`sessions_at` finds
    them) the record covers all that was read while it was written to.
    """
    return run_record(
        journal, session, kind="mount", command=command, outputs=outputs, ended_ns=ended_ns, earlier=earlier
    )


def put_record(
    *,
    command: Sequence[bytes],
    started_ns: int,
    outputs: Sequence[Output] = (),
    inputs: Sequence[InputCommit] = (),
    kind: str = "put",
    ended_ns: int | None = None,
    code: Sequence[Code] = (),
    image: str = "",
) -> RunRecord:
    """The record of a change that vfs itself made (kind put, rm or merge): who, when, where, and which paths.

    `code`: the version of what lies in the working directory; `image`: the container it was made in.
    """
    return RunRecord(
        kind=kind,
        command=masked(command),
        cwd=current_directory(),
        exit_code=0,
        started_ns=started_ns,
        ended_ns=time.time_ns() if ended_ns is None else ended_ns,
        user=user_name(),
        host=socket.gethostname(),
        version=vfs.__version__,
        inputs=tuple(inputs),
        outputs=sorted_outputs(outputs),
        code=tuple(code),
        image=image,
    )


def sorted_outputs(outputs: Sequence[Output]) -> tuple[Output, ...]:
    """Outputs by path, the last word on a path alone."""
    last = {output.path: output for output in outputs}
    return tuple(last[path] for path in sorted(last))


class _Inputs:
    """The input commits of a record: those the session was given, then any other that was read, by repo and id."""

    def __init__(self, given: Sequence[InputCommit], read: set[Source]) -> None:
        self.all = list(given)
        self._places: dict[Source, int] = {}
        for place, item in enumerate(given):
            self._places.setdefault((item.repo, item.commit), place)
        for repo, commit in sorted(read - set(self._places)):
            self._add(repo, commit)

    def place(self, source: Source) -> int:
        """Where `source` stands among the inputs."""
        return self._places[source]

    def _add(self, repo: str, commit: Digest) -> None:
        taken = {item.name for item in self.all}
        self._places[repo, commit] = len(self.all)
        self.all.append(InputCommit(repo if repo not in taken else f"{repo}@{short(commit)}", repo, commit))


class _Seen:
    """What was observed in some sessions, one kind at a time."""

    def __init__(self, journal: Journal, sessions: Sequence[str], numbered: Numbered, inputs: _Inputs) -> None:
        self._journal = journal
        self._sessions = sessions
        self._numbered = numbered
        self._inputs = inputs

    def of(self, cls: type[FirstSeen]) -> Iterator[Read]:
        """In order, each once. Grouped first, since a million of them are sorted with less memory so."""
        groups: dict[tuple[int, int], list[Read]] = {}
        for session in self._sessions:
            before = self._numbered.before(session)
            for batch in select_events(self._journal, session, cls):
                for read in self._batch(batch, before):
                    groups.setdefault((read.process, read.input), []).append(read)
        for group in sorted(groups):
            # The first of equal paths stays first: the moment it was met.
            reads = sorted(groups.pop(group), key=attrgetter("path"))
            yield from (read for place, read in enumerate(reads) if not place or reads[place - 1].path != read.path)

    def _batch(self, batch: FirstSeen, before: int) -> Iterator[Read]:
        places = [self._inputs.place(source) for source in batch.sources]
        for (key, source, path, digest), at in zip(batch.reads, batch.numbers(), strict=True):
            if not 0 <= source < len(places):
                what = f"journal {self._journal.path}: session {batch.session}"
                raise Corrupt(f"{what}: a read of source {source} of {len(places)}")
            yield Read(self._numbered.number(key), places[source], path, digest, at + before if at else 0)


def _sources(journal: Journal, session: str) -> set[Source]:
    batches = (batch for cls in SEEN for batch in select_events(journal, session, cls))
    return {source for batch in batches for source in batch.sources}


def _outside(journal: Journal, sessions: Sequence[str], numbered: Numbered) -> tuple[Outside, ...]:
    events = (event for session in sessions for event in select_events(journal, session, OutsideSeen))
    found = {(numbered.number(key), path) for event in events for key, path in event.opens}
    return tuple(Outside(process, path) for process, path in sorted(found))


def _code(journal: Journal, sessions: Sequence[str]) -> CodeSeen:
    """The last word on what code runs."""
    events = (event for session in sessions for event in select_events(journal, session, CodeSeen))
    return last[0] if (last := deque(events, maxlen=1)) else CodeSeen(session="")


def _renumbered(output: Output, numbered: Numbered) -> Output:
    """`output` with its writer as the record numbers it, whether it is a key of the session or such a number."""
    number = numbered.number(output.writer)
    if number:
        return msgspec.structs.replace(output, writer=number, at=numbered.moment(output.writer, output.at))
    return output if output.writer <= len(numbered.processes) else msgspec.structs.replace(output, writer=0, at=0)
