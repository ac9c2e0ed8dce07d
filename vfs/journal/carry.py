"""Parts of journals on their way between hosts: exported, imported, kept beside the journal, read-only.

Imported segments lie in `journal-imported/<host>-<digest>.segment` of the state directory. They are never mixed with
the journal of this host: each keeps its own chain.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain

import vfs
from vfs.errors import Corrupt, NotFound, Refused
from vfs.files.atomic import TEMP_PREFIX, fsync_dir
from vfs.files.private import private_dir
from vfs.files.translate import local_error
from vfs.journal.chain import Record
from vfs.journal.events import Checkpoint, Cut, decode_event
from vfs.journal.log import Journal
from vfs.journal.segment import MAGIC, SEGMENT_FORMAT, Item, Opening, open_segment, write_segment
from vfs.journal.segment_check import Segment, segment_events, sound_segment
from vfs.journal.session import user_name
from vfs.journal.verify import known_cuts, verify
from vfs.model.ids import Digest

_DIRECTORY = "journal-imported"
_SUFFIX = ".segment"


def export_segment(journal: Journal, path: str, *, selection: str, wanted: Callable[[Record], bool]) -> Segment:
    """Write the records that are `wanted` to `path`, with the chain over all others up to the last.

    NotFound when none is, Corrupt when the journal is damaged, Refused when it was compacted meanwhile, AlreadyExists,
    LocalIOError.
    """
    verdict = verify(journal)
    if not verdict.sound:
        raise Corrupt(f"journal {journal.path}: {verdict.problems[0]}; a damaged log is not exported")
    items = _items(journal, wanted)
    first = next(items, None)
    if not isinstance(first, Record):
        raise NotFound(f"journal {journal.path}: no such records")
    opening = Opening(
        SEGMENT_FORMAT, socket.gethostname(), user_name(), vfs.__version__, time.time_ns(), selection, first.seq
    )
    write_segment(path, opening, chain((first,), items))
    try:
        return sound_segment(path)
    except Corrupt as error:
        with suppress(OSError):
            os.unlink(path)
        raise Refused(f"{error}; records were taken out while it was written, export again") from error


def _items(journal: Journal, wanted: Callable[[Record], bool]) -> Iterator[Item]:
    """From the first wanted record on: records, and between them cuts over what is left out."""
    cuts = deque(known_cuts(journal))
    skipped: Cut | None = None
    begun = False
    for record in journal.records():
        while cuts and cuts[0].first < record.seq:
            skipped = _joined(skipped, cuts.popleft())
        if not wanted(record):
            skipped = _joined(skipped, Cut(record.seq, record.seq, record.previous, record.hash))
            continue
        if begun and skipped is not None:
            yield skipped
        begun, skipped = True, None
        yield record
    if begun and skipped is not None:
        yield skipped


def _joined(before: Cut | None, after: Cut) -> Cut:
    if before is None:
        return after
    return Cut(before.first, after.last, before.previous, after.hash)


def import_segment(state_dir: str, path: str) -> tuple[Segment, bool]:
    """Keep a segment beside the journal, and whether it is new here; Corrupt naming the record that is wrong."""
    directory = str(private_dir(os.path.join(private_dir(state_dir), _DIRECTORY)))
    temp = os.path.join(directory, TEMP_PREFIX + os.urandom(8).hex())
    try:
        _copy(path, temp)
        try:
            found = sound_segment(temp)
        except Corrupt as error:
            raise Corrupt(str(error).replace(temp, path, 1)) from error
        kept = os.path.join(directory, _name(found))
        new = not os.path.exists(kept)
        os.rename(temp, kept)
    except OSError as error:
        raise local_error(path, "imported", error) from error
    finally:
        with suppress(OSError):
            os.unlink(temp)
    fsync_dir(directory)
    return sound_segment(kept), new


def _copy(path: str, temp: str) -> None:
    with open_segment(path) as source, open(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        # What is no segment could fill the disk before that is noticed; a pipe can be read once.
        magic = source.read(len(MAGIC))
        if magic != MAGIC:
            raise Corrupt(f"{path}: not a segment of a journal")
        target.write(magic)
        shutil.copyfileobj(source, target, 1 << 20)
        target.flush()
        os.fsync(target.fileno())


def _name(found: Segment) -> str:
    host = re.sub(r"[^A-Za-z0-9._-]", "_", found.opening.host)[:60].lstrip(".") or "unnamed"
    return f"{host}-{found.digest.hex()[:16]}{_SUFFIX}"


def imported(state_dir: str) -> list[str]:
    """The paths of the segments that were imported, by name."""
    directory = os.path.join(state_dir, _DIRECTORY)
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(_SUFFIX))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise local_error(directory, "listed", error) from error
    return [os.path.join(directory, name) for name in names]


def against_journal(journal: Journal, found: Segment) -> Iterator[str]:
    """Where a segment that is to be an archive of this journal is not, in words."""
    known = {cut.last: cut.hash for cut in known_cuts(journal)}
    for record, _ in segment_events(found.path):
        if record.seq in known and known[record.seq] != record.hash:
            yield f"record {record.seq}: is not the one that was taken out of the journal"
    if found.digest not in _archives(journal):
        yield "no checkpoint of the journal names this file as the archive of what it took out"


def _archives(journal: Journal) -> set[Digest]:
    events = (decode_event(one.kind, one.body, f"record {one.seq}") for one in journal.checkpoints() if one.intact())
    return {event.archive for event in events if isinstance(event, Checkpoint)}
