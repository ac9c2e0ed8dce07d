"""The part of reading local files that needs no order, done by threads: small files whole, the rest looked at."""

from __future__ import annotations

import os
import stat

import msgspec

from vfs.content.prepared import PreparedFile
from vfs.content.writer import ContentWriter
from vfs.repo.stable import Unreadable, Xattrs, cause_of_loss, read_stable, user_xattrs
from vfs.repo.streaming import may_have_holes
from vfs.repo.walk import Found

# Files up to this size are read whole, in any thread; larger ones are streamed.
SMALL = 256 * 1024


class Loaded(msgspec.Struct, frozen=True):
    """What a thread learned of one name. `file` is None for a file that is to be streamed in its turn."""

    found: Found
    status: os.stat_result
    file: PreparedFile | None = None
    target: bytes = b""
    xattrs: Xattrs = ()


class Lost(msgspec.Struct, frozen=True):
    """A name that could not be read, and why."""

    found: Found
    cause: str


def load_all(writer: ContentWriter, batch: list[Found]) -> list[Loaded | Lost]:
    """As `load`, for names that are handed to a thread together."""
    return [load(writer, found) for found in batch]


def load(writer: ContentWriter, found: Found) -> Loaded | Lost:
    """What is to be learned of one name without waiting for its turn."""
    try:
        kind = found.kind or found.parent.kind(found.name)
        if kind == stat.S_IFREG:
            return _load_file(writer, found)
        if kind == stat.S_IFDIR:
            return _load_directory(found)
        status = found.parent.status(found.name)
        target = os.readlink(found.name, dir_fd=found.parent.fd) if kind == stat.S_IFLNK else b""
        return Loaded(found, status, target=target)
    except Unreadable as error:
        return Lost(found, str(error))
    except OSError as error:
        return Lost(found, cause_of_loss(error))


def _load_file(writer: ContentWriter, found: Found) -> Loaded:
    content, data = read_stable(found.parent, found.name, _read_small)
    if data is None:
        return Loaded(found, content.status)
    return Loaded(found, content.status, file=writer.prepare_bytes(data), xattrs=content.xattrs)


def _load_directory(found: Found) -> Loaded:
    try:
        directory = found.parent.below([found.name])
    except PermissionError:
        # The walk will meet the same when it lists the directory, and name it.
        return Loaded(found, found.parent.status(found.name))
    return Loaded(found, os.fstat(directory.fd), xattrs=user_xattrs(directory.fd))


def _read_small(fd: int, status: os.stat_result) -> bytes | None:
    """All bytes of a small file; None for one that is to be streamed in its turn."""
    if status.st_size > SMALL or may_have_holes(status):
        return None
    return _read_whole(fd, status)


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
