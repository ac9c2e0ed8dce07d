"""From local files to entries: small files read by threads ahead of their turn, large ones in theirs.

Chunks go to packs in the order of the entries, so a directory of small files lies together in one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, islice

from vfs.concurrency.pool import ordered_map
from vfs.content.streams import StreamResult
from vfs.content.writer import ContentWriter
from vfs.errors import LocalIOError
from vfs.files.translate import cause_of
from vfs.model.entry import MODE_MASK, Entry, Kind, Links
from vfs.model.names import check_path, printable
from vfs.repo.directory import Directory
from vfs.repo.loading import Loaded, Lost, load, load_all
from vfs.repo.notes import Notes
from vfs.repo.progress import Progress
from vfs.repo.stable import Unreadable, Xattrs, read_stable
from vfs.repo.streaming import stream_file
from vfs.repo.walk import Found

# Names that a thread takes at a time: handing over costs some 50 µs, and 32 small files are at most 8 MiB.
BATCH = 32
# Batches beyond the one being stored: for each thread, and at most.
AHEAD, AHEAD_MAX = 2, 8


def ingest(
    writer: ContentWriter, found: Iterable[Found], *, notes: Notes, progress: Progress, jobs: int
) -> Iterator[Entry]:
    """The entries of what was found, in the same order, their content put into `writer`.

    What cannot be read as one state, and what a tree does not hold, goes to `notes` instead. Files that have more
    names say so by a claim.
    """
    batches = ordered_map(partial(load_all, writer), _batches(found), workers=jobs, ahead=min(AHEAD * jobs, AHEAD_MAX))
    lost: set[bytes] = set()
    for loaded in chain.from_iterable(batches):
        entry = None if _lies_in(loaded.found.at, lost) else _entry(writer, loaded, notes, progress)
        if entry is not None:
            yield entry
        elif isinstance(loaded, Lost):
            lost.add(loaded.found.at)


def _lies_in(path: bytes, lost: set[bytes]) -> bool:
    """True below a directory that could not be read itself, though the walk may have come through: no orphans."""
    while lost and path:
        path = path.rpartition(b"/")[0]
        if path in lost:
            return True
    return False


def scan_entry(writer: ContentWriter, real_path: bytes, tree_path: bytes) -> Entry:
    """The entry at `tree_path` for what lies at `real_path` (not followed), its content put into `writer`.

    LocalIOError when it vanished, cannot be read, keeps changing, or is nothing that a tree holds.
    """
    head, _, name = real_path.rpartition(b"/")
    notes = Notes()
    try:
        parent = Directory.at_path(head or (b"/" if real_path.startswith(b"/") else b"."))
        found = Found(check_path(tree_path), parent, name, real_path, parent.kind(name))
    except OSError as error:
        raise LocalIOError(f"{printable(real_path)}: cannot be read: {cause_of(error)}") from error
    entry = _entry(writer, load(writer, found), notes, None)
    if entry is None:
        cause = notes.failures[0].cause if notes.failures else "a socket, fifo or device, which a tree does not hold"
        raise LocalIOError(f"{printable(real_path)}: {cause}")
    return entry


def _batches(found: Iterable[Found]) -> Iterator[list[Found]]:
    names = iter(found)
    while batch := list(islice(names, BATCH)):
        yield batch


def _entry(writer: ContentWriter, loaded: Loaded | Lost, notes: Notes, progress: Progress | None) -> Entry | None:
    if isinstance(loaded, Lost):
        notes.fail(loaded.found.shown, loaded.cause)
        return None
    mode = loaded.status.st_mode
    if stat.S_ISDIR(mode):
        return _made(loaded, Kind.DIR, notes)
    if stat.S_ISLNK(mode):
        return _made(loaded, Kind.SYMLINK, notes)
    if not stat.S_ISREG(mode):
        notes.count(_special(mode), "skipped, a tree holds none")
        return None
    return _file(writer, loaded, notes, progress)


def _made(loaded: Loaded, kind: Kind, notes: Notes) -> Entry:
    status = loaded.status
    _count_bits(status, notes)
    mode = 0o777 if kind is Kind.SYMLINK else status.st_mode & MODE_MASK
    return Entry(
        path=loaded.found.at,
        kind=kind,
        mode=mode,
        mtime_ns=status.st_mtime_ns,
        size=len(loaded.target),
        target=loaded.target,
        xattrs=loaded.xattrs,
    )


def _file(writer: ContentWriter, loaded: Loaded, notes: Notes, progress: Progress | None) -> Entry | None:
    if loaded.file is None:
        return _streamed(writer, loaded.found, notes, progress)
    digest, content = writer.put_prepared(loaded.file)
    if progress is not None:
        progress.advance(loaded.file.size, 1)
    result = StreamResult(digest, loaded.file.size, content)
    return _file_entry(loaded.found.at, loaded.status, loaded.xattrs, result, notes)


def _streamed(writer: ContentWriter, found: Found, notes: Notes, progress: Progress | None) -> Entry | None:
    try:
        content, result = read_stable(found.parent, found.name, partial(stream_file, writer, progress))
    except Unreadable as error:
        notes.fail(found.shown, str(error))
        return None
    if progress is not None:
        progress.advance(0, 1)
    return _file_entry(found.at, content.status, content.xattrs, result, notes)


def _file_entry(at: bytes, status: os.stat_result, xattrs: Xattrs, result: StreamResult, notes: Notes) -> Entry:
    _count_bits(status, notes)
    return Entry(
        path=at,
        kind=Kind.FILE,
        mode=status.st_mode & MODE_MASK,
        mtime_ns=status.st_mtime_ns,
        size=result.size,
        digest=result.digest,
        content=result.content,
        xattrs=xattrs,
        links=claim(status),
    )


def claim(status: os.stat_result) -> Links | None:
    """What the file of this status claims: to be one with all others of its inode that go into the same tree."""
    return Links(b"%d:%d" % (status.st_dev, status.st_ino)) if status.st_nlink > 1 else None


def _count_bits(status: os.stat_result, notes: Notes) -> None:
    if status.st_mode & (stat.S_ISUID | stat.S_ISGID):
        notes.count("setuid or setgid bit", "stripped")


def _special(mode: int) -> str:
    if stat.S_ISSOCK(mode):
        return "socket"
    return "fifo" if stat.S_ISFIFO(mode) else "device"
