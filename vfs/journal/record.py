"""The run record of a session, as sealed into a commit; and those of changes that no session stands behind."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import TypeAlias

import msgspec

import vfs
from vfs.errors import Corrupt
from vfs.journal.events import Event, ProcessSeen, ReadsSeen
from vfs.journal.log import Journal
from vfs.journal.masking import masked
from vfs.journal.session import current_directory, session_start, user_name
from vfs.model.commit import InputCommit
from vfs.model.ids import Digest, short
from vfs.model.record import SEEN_ALL, Output, Process, Read, RunRecord

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

    Processes come parents first, by start time; reads by process, input and path. `kind` and `command` default
    to those of the session, `ended_ns` to now. `earlier`: sessions whose processes and reads count as well; one of
    them that was cut off is a gap. Flush the observer first: what it still holds is not in the
    record. Errors: NotFound for an unknown session, JournalError, Corrupt for an altered record.
    """
    sessions = [*(one for one in earlier if one != session), session]
    start, _ = session_start(journal, session)
    _, started_ns = session_start(journal, sessions[0])
    processes, numbers = _numbered([found for one in sessions for found in _processes(journal, one)])
    inputs = _Inputs(start.inputs, {source for one in sessions for source in _sources(journal, one)})
    level, gaps = _observation(journal, sessions)
    return RunRecord(
        kind=start.kind if kind is None else kind,
        command=start.command if command is None else masked(command),
        cwd=start.cwd,
        exit_code=exit_code,
        started_ns=started_ns,
        ended_ns=time.time_ns() if ended_ns is None else ended_ns,
        user=start.user,
        host=start.host,
        version=start.version,
        level=level,
        gaps=gaps,
        environment=start.environment,
        inputs=tuple(inputs.all),
        processes=processes,
        reads=tuple(_reads(journal, sessions, numbers, inputs)),
        outputs=sorted_outputs(outputs),
    )


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
) -> RunRecord:
    """The record of a change that vfs itself made (kind put, rm or merge): who, when, where, and which paths."""
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


def _processes(journal: Journal, session: str) -> list[Process]:
    found = []
    for seq, event in _events(journal, "processes", session):
        if not isinstance(event, ProcessSeen) or event.session != session:
            raise Corrupt(f"journal {journal.path}: record {seq}: describes no process of session {session}")
        found.append(event.process)
    return found


def _numbered(seen: list[Process]) -> tuple[tuple[Process, ...], dict[int, int]]:
    """The processes in order, numbered from 1, and the number of each key."""
    ordered = sorted(seen, key=lambda process: process.started_ns)
    numbers = {process.key: number for number, process in enumerate(ordered, 1)}
    processes = (
        msgspec.structs.replace(process, key=numbers[process.key], parent=numbers.get(process.parent, 0))
        for process in ordered
    )
    return tuple(processes), numbers


def _batches(journal: Journal, session: str) -> Iterator[ReadsSeen]:
    for seq, event in _events(journal, "reads", session):
        what = f"journal {journal.path}: record {seq}"
        if not isinstance(event, ReadsSeen) or event.session != session:
            raise Corrupt(f"{what}: holds no reads of session {session}")
        for read in event.reads:
            if not 0 <= read[1] < len(event.sources):
                raise Corrupt(f"{what}: a read of source {read[1]} of {len(event.sources)}")
        yield event


def _sources(journal: Journal, session: str) -> set[Source]:
    return {source for batch in _batches(journal, session) for source in batch.sources}


def _reads(journal: Journal, sessions: Sequence[str], numbers: dict[int, int], inputs: _Inputs) -> Iterator[Read]:
    """The reads in order, each once. Grouped first, since a million of them are sorted with less memory so."""
    groups: dict[tuple[int, int], list[Read]] = {}
    for batch in (batch for session in sessions for batch in _batches(journal, session)):
        places = [inputs.place(source) for source in batch.sources]
        for key, source, path, digest in batch.reads:
            read = Read(numbers.get(key, 0), places[source], path, digest)
            groups.setdefault((read.process, read.input), []).append(read)
    for group in sorted(groups):
        reads = sorted(groups.pop(group), key=attrgetter("path"))
        yield from (read for place, read in enumerate(reads) if not place or reads[place - 1].path != read.path)


def _events(journal: Journal, table: str, session: str) -> Iterator[tuple[int, Event]]:
    for (seq,) in journal.select(f"SELECT seq FROM {table} WHERE session = ? ORDER BY seq", (session,)):
        if isinstance(seq, int):
            yield seq, journal.event(seq)


def _observation(journal: Journal, sessions: Sequence[str]) -> tuple[str, int]:
    """The lowest level of all sessions, and their gaps; what a session that was cut off had not written is one more."""
    levels, lost = set(), 0
    for session in sessions:
        query = "SELECT level, gaps, ended FROM sessions WHERE session = ?"
        level, gaps, ended = journal.select(query, (session,))[0]
        levels.add(str(level))
        lost += int(str(gaps)) + (ended is None and session != sessions[-1])
    return ("none" if levels - SEEN_ALL else "fanotify" if "fanotify" in levels else "open"), lost
