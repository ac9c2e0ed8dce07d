"""The stored form of a blob: one codec byte, then the payload.

Layout::

    u8 codec    0: the payload is the raw bytes; 1: one zstd frame that states its content size; 2: frames (see there)
    payload

A stored blob is never longer than the raw bytes plus one.
"""

from __future__ import annotations

import threading
from array import array

import msgspec
import zstandard
from xxhash import xxh3_64

from vfs.content.frames import FRAME, frame_ends, join_frames, split_frames, worth_frames
from vfs.errors import Corrupt

RAW, ZSTD, FRAMES = 0, 1, 2
# Several hundred MB/s a core; higher levels gain a few percent on mixed data for 3 to 10 times the work.
LEVEL = 1
# Compression that saves less than this share is not worth the work of every later read.
KEEP_RATIO = 0.95
# Probing this many samples of this size costs 17 µs on random data, compressing 1 MiB of it 270 µs.
SAMPLES = 4
SAMPLE_SIZE = 4096
# A text probed in small samples compresses worse than as a whole: the probe only turns away what hardly moves.
PROBE_RATIO = 0.98


class _Threads(threading.local):
    """One compressor and one decompressor per thread: the contexts of zstandard are not thread-safe."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True, write_checksum=False)
        self.decompressor = zstandard.ZstdDecompressor()


_threads = _Threads()


class Stored(msgspec.Struct, frozen=True, gc=False):
    """The stored form of a blob in two parts, codec byte and payload, its size, and the xxh3-64 of the two."""

    parts: tuple[bytes, bytes]
    size: int
    check: int


def store_form(raw: bytes, *, in_parts: bool = False) -> Stored:
    """The stored form of `raw`: compressed where that saves at least 5 %, else as it is, without a copy.

    `in_parts`: it may be read in part, so it is compressed as frames where that costs little room.
    """
    codec, payload = RAW, raw
    view, compress = memoryview(raw), _threads.compressor.compress
    if _worth_trying(view):
        framed = in_parts and worth_frames(view, compress)
        packed = join_frames(view, compress) if framed else compress(raw)
        if len(packed) <= len(raw) * KEEP_RATIO:
            codec, payload = FRAMES if framed else ZSTD, packed
    first = bytes((codec,))
    check = xxh3_64(first)
    check.update(payload)
    return Stored((first, payload), len(payload) + 1, check.intdigest())


def encode(raw: bytes, *, in_parts: bool = False) -> bytes:
    """The stored form of `raw` as one string of bytes."""
    return b"".join(store_form(raw, in_parts=in_parts).parts)


def decode(stored: bytes | memoryview, length: int, *, what: str = "blob") -> bytes:
    """The `length` raw bytes of a stored blob; Corrupt, naming `what`, when it does not hold just that many.

    Never allocates more than `length` bytes, whatever the frame claims.
    """
    view = memoryview(stored)
    if not view:
        raise Corrupt(f"{what}: stored blob is empty")
    codec, payload = view[0], view[1:]
    if codec == RAW:
        if len(payload) != length:
            raise Corrupt(f"{what}: stored blob holds {len(payload)} bytes, {length} expected")
        return bytes(payload)
    if codec in (ZSTD, FRAMES):
        return _decompress(codec, payload, length, what)
    raise Corrupt(f"{what}: stored blob has codec {codec}, this version knows 0 to {FRAMES}")


def only_as_a_whole(stored: memoryview) -> bool:
    """Whether a stored blob is compressed in one piece, so that a part of it takes nearly as long as all of it."""
    return bool(stored) and stored[0] == ZSTD


def ends_of_frames(stored: memoryview, length: int, *, what: str = "blob") -> array[int] | None:
    """Where the frames of a stored blob of `length` raw bytes begin and end, in bytes of it; None if it has none."""
    if not stored or stored[0] != FRAMES:
        return None
    return array("I", (1 + end for end in frame_ends(stored[1:], length, what)))


def decode_part(stored: bytes | memoryview, start: int, size: int, *, what: str = "blob") -> memoryview:
    """`size` raw bytes from `start` of a stored blob of one frame, decompressed no further; shorter where it ends.

    Nothing but the range is checked: the frame may hold what it should not. Corrupt when it is no frame at all.
    """
    view = memoryview(stored)
    if not view or view[0] != ZSTD:
        raise Corrupt(f"{what}: stored blob is not one compressed frame")
    try:
        with _threads.decompressor.stream_reader(view[1:], closefd=False) as reader:
            return memoryview(reader.read(start + size))[start:]
    except zstandard.ZstdError as error:
        raise Corrupt(f"{what}: stored blob cannot be decompressed: {error}") from error


def decode_frame(frame: memoryview, *, what: str = "blob") -> bytes:
    """The raw bytes of one of the frames of a blob; Corrupt. Allocates no more than a frame may hold."""
    try:
        if not 0 < zstandard.get_frame_parameters(frame).content_size <= FRAME:
            raise Corrupt(f"{what}: compressed frame of more than {FRAME} bytes")
        return _threads.decompressor.decompress(frame, max_output_size=FRAME)
    except zstandard.ZstdError as error:
        raise Corrupt(f"{what}: stored blob cannot be decompressed: {error}") from error


def _worth_trying(view: memoryview) -> bool:
    """False when samples spread over `view` do not shrink."""
    if len(view) <= SAMPLES * SAMPLE_SIZE:
        return len(view) > 0
    step = (len(view) - SAMPLE_SIZE) // (SAMPLES - 1)
    compress = _threads.compressor.compress
    packed = sum(len(compress(view[at : at + SAMPLE_SIZE])) for at in range(0, step * SAMPLES, step))
    return packed < SAMPLES * SAMPLE_SIZE * PROBE_RATIO


def _decompress(codec: int, payload: memoryview, length: int, what: str) -> bytes:
    try:
        if codec == FRAMES:
            return _sized(split_frames(payload, length, _threads.decompressor, what), length, what)
        claimed = zstandard.get_frame_parameters(payload).content_size
        if claimed != length:
            raise Corrupt(f"{what}: compressed blob claims {claimed} bytes, {length} expected")
        raw = _threads.decompressor.decompress(payload, max_output_size=length, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Corrupt(f"{what}: stored blob cannot be decompressed: {error}") from error
    return _sized(raw, length, what)


def _sized(raw: bytes, length: int, what: str) -> bytes:
    if len(raw) != length:
        raise Corrupt(f"{what}: compressed blob holds {len(raw)} bytes, {length} expected")
    return raw
