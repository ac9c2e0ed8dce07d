"""Parts of chunks in the thread that must not wait: from memory, or not at all."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vfs.content.codec import FRAMES, ZSTD
from vfs.content.known import KnownChunks
from vfs.content.pack import pack_key
from vfs.content.writer import ContentWriter
from vfs.metrics.counters import Registry
from vfs.metrics.names import MEMORY_MISSES, PARTS
from vfs.model.entry import BlobRef
from vfs.store.local import LocalStore
from vfsd.patience import Patience, PatientBlobs, WouldWait

RAW = random.Random(1).randbytes(300_000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    store = LocalStore(tmp_path)
    yield store
    store.close()


@pytest.fixture
def ref(store: LocalStore, tmp_path: Path) -> BlobRef:
    writer = ContentWriter(store, KnownChunks(tmp_path / "known.db", store))
    found = writer.put_chunk(RAW)
    writer.flush()
    return found


def test_the_hurried_thread_gets_parts_from_memory_or_none(store: LocalStore, ref: BlobRef, tmp_path: Path) -> None:
    counters, patience = Registry(), Patience()
    blobs = PatientBlobs(store, patience, counters, memory=10)
    patience.hurry_this_thread()
    assert blobs.part(ref, 5, 10) is None
    with pytest.raises(WouldWait):
        blobs.get(ref)
    reader = threading.Thread(target=blobs.get, args=(ref,))
    reader.start()
    reader.join(60)
    # A file system that cannot tell what is in memory is not asked to wait.
    assert blobs.part(ref, 5, 10) in (RAW[5:15], None)
    (tmp_path / pack_key(ref.pack)).unlink()
    assert blobs.part(ref, 5, 10) is None
    assert counters.counter(MEMORY_MISSES).value == 1
    assert counters.counter(PARTS).value <= 1


def test_other_threads_read_the_part(store: LocalStore, ref: BlobRef) -> None:
    counters = Registry()
    blobs = PatientBlobs(store, Patience(), counters, memory=10)
    blobs.get(ref)
    assert blobs.part(ref, 5, 10) == RAW[5:15]
    assert counters.counter(PARTS).value == 1
    assert PatientBlobs(store, Patience(), counters, memory=1 << 20).part(ref, 5, 10) is None


def test_the_hurried_thread_decompresses_a_frame_and_no_whole_chunk(store: LocalStore, tmp_path: Path) -> None:
    writer = ContentWriter(store, KnownChunks(tmp_path / "known.db", store))
    drawn = random.Random(2)
    lines = b"".join(drawn.randbytes(8).hex().encode() + b" is line %d\n" % number for number in range(14_000))
    # Long repetitions are found in one piece only, so frames of this would take much more room.
    repeats = lines[:100_000] * 4
    framed, whole = writer.put_chunk(lines), writer.put_chunk(repeats)
    writer.flush()
    codecs = [store.get(pack_key(ref.pack), start=ref.offset, length=1) for ref in (framed, whole)]
    assert codecs == [bytes((FRAMES,)), bytes((ZSTD,))]
    patience = Patience()
    blobs = PatientBlobs(store, patience, Registry(), memory=10)
    for ref in (framed, whole):
        blobs.get(ref)
    patience.hurry_this_thread()
    assert blobs.part(framed, 70_000, 10) in (lines[70_000:70_010], None)
    assert blobs.part(whole, 70_000, 10) is None
