"""A session of very many reads in a journal, and what its run record costs: seconds, memory, bytes as stored."""

from __future__ import annotations

import hashlib
import random
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vfs.config.settings import default_settings
from vfs.journal.events import Event, ProcessSeen, ReadsSeen, Watching, Wrote
from vfs.journal.log import Journal
from vfs.journal.record import run_record, with_outputs
from vfs.journal.session import begin_session
from vfs.journal.writers import Writers
from vfs.model.commit import InputCommit
from vfs.model.record import Output, Process, RunRecord, encode_record
from vfs.repo.library import Library

PROCESSES = 4
RECORD = 1024
COMMIT = b"a" * 32


class Figures(NamedTuple):
    """Seconds to make the record and to write it to a store; bytes before and after; growth of memory in bytes."""

    made: float
    stored: float
    plain_bytes: int
    stored_bytes: int
    memory: int


def seal_many(directory: Path, reads: int, *, outputs: int = 100, seed: int | None = None) -> tuple[RunRecord, Figures]:
    """Seal a session of so many reads by four processes, as a loader makes them: in order, or shuffled by `seed`.

    `directory` gets the journal and the store. The outputs are written at regular intervals.
    """
    with Journal.open(directory / "state") as journal:
        session = fill(journal, reads, outputs=outputs, seed=seed)
        before, begun = _peak(), time.perf_counter()
        writers = Writers(journal, [session])
        made = [Output(b"out/%06d" % n, _digest(n), *writers.last(8, n)) for n in range(outputs)]
        record = with_outputs(run_record(journal, session), made)
        done = time.perf_counter()
    data = encode_record(record)
    stored_bytes = _store(directory, data)
    stored = time.perf_counter() - done
    return record, Figures(done - begun, stored, len(data), stored_bytes, _peak() - before)


def fill(journal: Journal, reads: int, *, outputs: int, seed: int | None) -> str:
    """The session in the journal; its id."""
    given = [InputCommit("images", "images", COMMIT)]
    session = begin_session(journal, kind="run", command=["train"], inputs=given, environment={})
    processes = [ProcessSeen(session=session, process=_process(key)) for key in range(1, PROCESSES + 1)]
    journal.append([Watching(session=session, pid=1, level="fanotify"), *processes])
    order = list(range(reads))
    if seed is not None:
        random.Random(seed).shuffle(order)
    for start in range(0, reads, RECORD):
        journal.append([_seen(session, order[start : start + RECORD], start + 1)])
    step = max(1, reads // max(outputs, 1))
    for start in range(0, outputs, RECORD):
        part = range(start, min(start + RECORD, outputs))
        journal.append([Wrote(session=session, writes=tuple((n % PROCESSES + 1, 8, n, (n + 1) * step) for n in part))])
    return session


def _seen(session: str, part: Sequence[int], first: int) -> Event:
    reads = tuple((n % PROCESSES + 1, 0, b"train/class-%04d/image-%07d.jpg" % (n // 1000, n), _digest(n)) for n in part)
    return ReadsSeen(session=session, sources=(("images", COMMIT),), reads=reads, first=first)


def _digest(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def _process(key: int) -> Process:
    start = 1_700_000_000_000_000_000 + key
    return Process(key, 0, key, start, 0, b"/usr/bin/python3", b"e" * 32, (b"python",), b"/", 0, "root", "")


def _store(directory: Path, data: bytes) -> int:
    settings = default_settings(
        store=f"file://{directory}/store", state_dir=str(directory / "state"), cache_dir=str(directory / "cache")
    )
    with Library.create(settings) as library:
        writer = library.writer()
        writer.put_bytes(data)
        writer.flush()
    return sum(path.stat().st_size for path in (directory / "store").rglob("*") if path.is_file())


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
