"""A part of a journal as a file of its own: written, and checked by itself, without the journal it came from.

`vfs-journal-segment-1\\n`, then frames of u32le length and msgpack: one that opens, then in order records and what was
left out between them (first and last number, the hashes on either side), one that closes. So the hash chain leads
from the first record to the last. The closing frame holds the digest of all before it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import IO, TypeAlias

import msgspec
from blake3 import blake3

from vfs.errors import AlreadyExists, Corrupt
from vfs.files.atomic import TEMP_PREFIX, fsync_dir
from vfs.files.translate import local_error
from vfs.journal.chain import Record
from vfs.journal.events import Cut
from vfs.model.ids import Digest
from vfs.model.wire import decode

MAGIC = b"vfs-journal-segment-1\n"
SEGMENT_FORMAT = 1
# A record stays near 100 KB, one of outputs below a few megabytes.
FRAME_MAX = 64 << 20
_LENGTH = struct.Struct("<I")


class Opening(msgspec.Struct, frozen=True, array_like=True, tag="segment"):
    """Where a segment comes from, what was selected (in words), and the number of its first record."""

    format: int
    host: str
    user: str
    version: str
    exported_ns: int
    selection: str
    first: int


class Held(msgspec.Struct, frozen=True, array_like=True, tag="record"):
    """One record."""

    seq: int
    time_ns: int
    kind: str
    body: bytes
    previous: Digest
    hash: Digest


class Skipped(msgspec.Struct, frozen=True, array_like=True, tag="cut"):
    """Records left out, as in `Cut`."""

    first: int
    last: int
    previous: Digest
    hash: Digest


class Closing(msgspec.Struct, frozen=True, array_like=True, tag="end"):
    """How many records there were, the last number and its hash, and the BLAKE3 of all before this frame."""

    records: int
    last: int
    hash: Digest
    digest: Digest


Frame: TypeAlias = Opening | Held | Skipped | Closing
Item: TypeAlias = Record | Cut
_decoder: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)


def write_segment(path: str, opening: Opening, items: Iterable[Item]) -> Closing:
    """Write a segment, durably and whole or not at all; AlreadyExists, LocalFull, LocalDenied, LocalIOError."""
    if os.path.lexists(path):
        raise AlreadyExists(f"{path}: exists already")
    directory = os.path.dirname(path) or "."
    temp = os.path.join(directory, TEMP_PREFIX + os.urandom(8).hex())
    try:
        with open(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            closing = _write(file, opening, items)
            file.flush()
            os.fsync(file.fileno())
        os.link(temp, path)
    except FileExistsError as error:
        raise AlreadyExists(f"{path}: exists already") from error
    except OSError as error:
        raise local_error(path, "written", error) from error
    finally:
        with suppress(OSError):
            os.unlink(temp)
    fsync_dir(directory)
    return closing


def _write(file: IO[bytes], opening: Opening, items: Iterable[Item]) -> Closing:
    digest = blake3()
    records, last, hash = 0, opening.first - 1, b""

    def put(data: bytes) -> None:
        digest.update(data)
        file.write(data)

    put(MAGIC)
    put(_framed(opening))
    for item in items:
        put(_framed(_as_frame(item)))
        records += isinstance(item, Record)
        last, hash = item.seq if isinstance(item, Record) else item.last, item.hash
    closing = Closing(records, last, hash, digest.digest())
    file.write(_framed(closing))
    return closing


def _framed(frame: Frame) -> bytes:
    data = msgspec.msgpack.encode(frame)
    return _LENGTH.pack(len(data)) + data


def _as_frame(item: Item) -> Frame:
    if isinstance(item, Cut):
        return Skipped(item.first, item.last, item.previous, item.hash)
    return Held(item.seq, item.time_ns, item.kind, item.body, item.previous, item.hash)


def as_item(frame: Held | Skipped) -> Item:
    """A frame as the record or the cut it holds."""
    if isinstance(frame, Skipped):
        return Cut(frame.first, frame.last, frame.previous, frame.hash)
    return Record(frame.seq, frame.time_ns, frame.kind, frame.body, frame.previous, frame.hash)


class Frames:
    """An open segment, read frame by frame; what is read goes into `digest`, the closing frame does not."""

    def __init__(self, path: str, file: IO[bytes]) -> None:
        self.path = path
        self.digest = blake3()
        self._file = file

    def opening(self) -> Opening:
        """The first frame; Corrupt when the file is no segment, or of a format that this version does not know."""
        if self._read(len(MAGIC)) != MAGIC:
            raise Corrupt(f"{self.path}: not a segment of a journal")
        self.digest.update(MAGIC)
        frame = self._next()
        if not isinstance(frame, Opening):
            raise Corrupt(f"{self.path}: does not begin as a segment does")
        if frame.format != SEGMENT_FORMAT:
            raise Corrupt(f"{self.path}: of format {frame.format}, this version knows {SEGMENT_FORMAT}")
        return frame

    def rest(self) -> Iterator[tuple[int, Frame]]:
        """The other frames with their places in the file; Corrupt at the first that cannot be read."""
        while True:
            place = self._file.tell()
            frame = self._next()
            yield place, frame
            if isinstance(frame, Closing):
                if self._read(1):
                    raise Corrupt(f"{self.path}: goes on behind its end")
                return

    def at(self, place: int) -> Frame:
        """The frame at one place."""
        self._file.seek(place)
        return self._next()

    def _next(self) -> Frame:
        head = self._read(_LENGTH.size)
        length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
        if not 0 < length <= FRAME_MAX:
            raise Corrupt(f"{self.path}: is cut off")
        data = self._read(length)
        if len(data) < length:
            raise Corrupt(f"{self.path}: is cut off")
        frame: Frame = decode(_decoder, data, what=self.path)
        if not isinstance(frame, Closing):
            self.digest.update(head + data)
        return frame

    def _read(self, length: int) -> bytes:
        try:
            return self._file.read(length)
        except OSError as error:
            raise local_error(self.path, "read", error) from error


def open_segment(path: str) -> IO[bytes]:
    """The file of a segment; LocalDenied, LocalIOError."""
    try:
        return open(path, "rb")
    except OSError as error:
        raise local_error(path, "read", error) from error
