"""Compaction: records of sessions that ended long ago are taken out, and the chain stays whole.

A session is taken out as a whole or not at all. Each batch is one transaction that takes records out, and adds
a checkpoint with their numbers and the hashes on either side; so whenever it is cut short, the log verifies.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Sequence

import msgspec

from vfs.errors import Corrupt
from vfs.journal import derived
from vfs.journal.chain import Record
from vfs.journal.events import Checkpoint, Cut
from vfs.journal.log import Journal
from vfs.journal.running import running_sessions
from vfs.journal.verify import verify
from vfs.model.ids import Digest

# Records of one batch: a writer waits for milliseconds, and a checkpoint of a thousand reads a record is rare.
BATCH = 4096
# A batch ends earlier at this many bytes: a transaction is written twice, to the log of SQLite and from there.
BATCH_BYTES = 32 << 20
# A table of this connection alone.
_GONE = "temp.gone"


class _Of(msgspec.Struct, frozen=True, array_like=True):
    """The beginning of every record's body."""

    session: str = ""


_decoder = msgspec.msgpack.Decoder(_Of)


class Plan(msgspec.Struct, frozen=True):
    """What would be taken out: the records by number, in order, their bytes, of how many sessions.

    `running` and `needed` sessions would be old enough; they are kept.
    """

    before_ns: int
    seqs: Sequence[int]
    size: int
    sessions: int
    running: int
    needed: int


class _Session(msgspec.Struct):
    last_ns: int = 0
    size: int = 0


def plan(journal: Journal, *, before_ns: int, needed: Collection[str] = ()) -> Plan:
    """Which records can go: those of sessions whose last record was written before `before_ns`.

    Kept are sessions that may still be running, and those in `needed`. Corrupt for a log that is damaged: what is
    wrong with it must not vanish.
    """
    verdict = verify(journal)
    if not verdict.sound:
        raise Corrupt(f"journal {journal.path}: {verdict.problems[0]}; nothing is taken out of a damaged log")
    sessions = _sessions(journal)
    old = {name for name, one in sessions.items() if one.last_ns < before_ns}
    running = old & running_sessions(journal)
    kept = old & set(needed) - running
    gone = old - running - kept
    seqs = array("Q", (seq for seq, name, *_ in _records(journal) if name in gone))
    size = sum(sessions[name].size for name in gone)
    return Plan(before_ns, seqs, size, len(gone), len(running), len(kept))


def _sessions(journal: Journal) -> dict[str, _Session]:
    found: dict[str, _Session] = {}
    for _, name, time_ns, size in _records(journal):
        one = found.setdefault(name, _Session())
        one.last_ns = max(one.last_ns, time_ns)
        one.size += size
    return found


def _records(journal: Journal) -> Iterator[tuple[int, str, int, int]]:
    """Number, session, time and size of each record but checkpoints."""
    for record in journal.records():
        if record.kind != "checkpoint":
            name = _decoder.decode(record.body).session
            yield record.seq, name, record.time_ns, len(record.body)


def compact(journal: Journal, plan: Plan, *, archive: Digest = b"") -> int:
    """Take out what `plan` says, batch by batch, and give the room back to the disk; how many records went.

    `archive` is the digest of the file they were written to. Writers go on meanwhile. Records of a planned session
    that were added since then stay. Corrupt when a record was altered since.
    """
    done = 0
    while done < len(plan.seqs):
        done += _batch(journal, plan, done, archive)
    if done:
        journal.give_back()
    return done


def _batch(journal: Journal, plan: Plan, start: int, archive: Digest) -> int:
    with journal.transaction() as transaction:
        conn = transaction.conn
        records = list(_taken(journal, plan.seqs[start : start + BATCH]))
        checkpoint = Checkpoint(before_ns=plan.before_ns, cuts=tuple(cuts_of(records)), archive=archive)
        conn.execute(f"CREATE TABLE IF NOT EXISTS {_GONE}(seq INTEGER PRIMARY KEY)")
        conn.execute(f"DELETE FROM {_GONE}")
        conn.executemany(f"INSERT INTO {_GONE} VALUES(?)", ((record.seq,) for record in records))
        derived.forget(conn, _GONE)
        conn.execute(f"DELETE FROM records WHERE seq IN (SELECT seq FROM {_GONE})")
        transaction.add(checkpoint)
    return len(records)


def _taken(journal: Journal, seqs: Sequence[int]) -> Iterator[Record]:
    """The records of these numbers, as far as a batch goes."""
    size = 0
    for seq in seqs:
        record = journal.record(seq)
        yield record
        size += len(record.body)
        if size >= BATCH_BYTES:
            return


def cuts_of(records: Sequence[Record]) -> Iterator[Cut]:
    """Neighbouring records, each group as one cut; Corrupt when two neighbours do not follow each other."""
    start = 0
    for place, record in enumerate(records):
        following = records[place + 1] if place + 1 < len(records) else None
        if following is not None and following.seq == record.seq + 1:
            if following.previous != record.hash:
                raise Corrupt(f"records {record.seq} to {following.seq}: do not follow each other")
            continue
        yield Cut(records[start].seq, record.seq, records[start].previous, record.hash)
        start = place + 1
