"""From local files to entries: small files read by threads ahead of their turn, large ones in theirs.

Chunks go to packs in the order of the entries, so a directory of small files lies together in one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from functools import partial

import msgspec

from vfs.concurrency.pool import ordered_map
from vfs.content.prepared import PreparedFile
from vfs.content.streams import StreamResult
from vfs.content.writer import ContentWriter
from vfs.errors import LocalIOError
from vfs.files.translate import cause_of
from vfs.model.entry import MODE_MASK, Entry, Kind
from vfs.model.names import check_path, printable
from vfs.repo.directory import Directory
from vfs.repo.notes import Notes
from vfs.repo.progress import Progress
from vfs.repo.stable import Unreadable, Xattrs, read_stable, user_xattrs
from vfs.repo.streaming import may_have_holes, stream_file
from vfs.repo.walk import Found

# Files up to this size are read whole, in any thread; larger ones are streamed.
SMALL = 256 * 1024
# A thread takes this many names, or so many bytes of small files, at a time: handing over costs some 50 µs.
BATCH_NAMES, BATCH_BYTES = 64, 2 << 20
# Batches in memory beyond the one being stored, for each thread.
AHEAD = 2


class Loaded(msgspec.Struct, frozen=True):
    """What a thread learned of one name. `file` is None for what is streamed later; `cause` says why it failed."""

    found: Found
    status: os.stat_result
    file: PreparedFile | None = None
    target: bytes = b""
    xattrs: Xattrs = ()
    cause: str = ""


def ingest(
    writer: ContentWriter, found: Iterable[Found], *, notes: Notes, progress: Progress, jobs: int
) -> Iterator[Entry]:
    """The entries of what was found, in the same order, their content put into `writer`.

    What cannot be read as one state, and what a tree does not hold, goes to `notes` instead.
    """
    load = partial(_load_all, writer)
    batches = ordered_map(load, _batches(found), workers=jobs, ahead=AHEAD * jobs)
    for batch in batches:
        for loaded in batch:
            entry = _entry(writer, loaded, notes, progress)
            if entry is not None:
                yield entry


def scan_entry(writer: ContentWriter, real_path: bytes, tree_path: bytes) -> Entry:
    """The entry at `tree_path` for what lies at `real_path` (not followed), its content put into `writer`.

    LocalIOError when it vanished, cannot be read, keeps changing, or is nothing that a tree holds.
    """
    head, _, name = real_path.rpartition(b"/")
    notes = Notes()
    try:
        parent = Directory.at_path(head or (b"/" if real_path.startswith(b"/") else b"."))
        found = Found(check_path(tree_path), parent, name, real_path, parent.status(name))
    except OSError as error:
        raise LocalIOError(f"{printable(real_path)}: cannot be read: {cause_of(error)}") from error
    entry = _entry(writer, _load(writer, found), notes, None)
    if entry is None:
        cause = notes.failures[0].cause if notes.failures else "a socket, fifo or device, which a tree does not hold"
        raise LocalIOError(f"{printable(real_path)}: {cause}")
    return entry


def _batches(found: Iterable[Found]) -> Iterator[list[Found]]:
    batch: list[Found] = []
    size = 0
    for one in found:
        batch.append(one)
        size += min(one.status.st_size, SMALL)
        if len(batch) >= BATCH_NAMES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _load_all(writer: ContentWriter, batch: list[Found]) -> list[Loaded]:
    return [_load(writer, found) for found in batch]


def _load(writer: ContentWriter, found: Found) -> Loaded:
    mode = found.status.st_mode
    try:
        if stat.S_ISREG(mode):
            return _load_file(writer, found)
        if stat.S_ISLNK(mode):
            return Loaded(found, found.status, target=os.readlink(found.name, dir_fd=found.parent.fd))
        if stat.S_ISDIR(mode):
            return Loaded(found, found.status, xattrs=_directory_xattrs(found))
    except Unreadable as error:
        return Loaded(found, found.status, cause=str(error))
    except OSError as error:
        return Loaded(found, found.status, cause=f"cannot be read: {cause_of(error)}")
    return Loaded(found, found.status)


def _load_file(writer: ContentWriter, found: Found) -> Loaded:
    if found.status.st_size > SMALL or may_have_holes(found.status):
        return Loaded(found, found.status)
    content, data = read_stable(found.parent, found.name, _read_whole)
    if data is None:
        return Loaded(found, content.status)
    return Loaded(found, content.status, file=writer.prepare_bytes(data), xattrs=content.xattrs)


def _read_whole(fd: int, status: os.stat_result) -> bytes | None:
    """All bytes of a small file; None when it has grown too large for that."""
    pieces: list[bytes] = []
    size = 0
    # One byte more than it has: the read that finds the end is the first one.
    while piece := os.read(fd, max(status.st_size + 1 - size, 4096)):
        pieces.append(piece)
        size += len(piece)
        if size > 2 * SMALL:
            return None
        if size == status.st_size:
            break
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _directory_xattrs(found: Found) -> Xattrs:
    try:
        directory = found.parent.below([found.name])
        return user_xattrs(directory.fd)
    except OSError:
        # The walk will meet the same error when it lists the directory, and name it.
        return ()


def _entry(writer: ContentWriter, loaded: Loaded, notes: Notes, progress: Progress | None) -> Entry | None:
    found, mode = loaded.found, loaded.status.st_mode
    if loaded.cause:
        notes.fail(found.shown, loaded.cause)
        return None
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
    )


def _count_bits(status: os.stat_result, notes: Notes) -> None:
    if status.st_mode & (stat.S_ISUID | stat.S_ISGID):
        notes.count("setuid or setgid bit", "stripped")


def _special(mode: int) -> str:
    if stat.S_ISSOCK(mode):
        return "socket"
    return "fifo" if stat.S_ISFIFO(mode) else "device"
