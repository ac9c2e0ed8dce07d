"""A store with what reads and writes content, in a temporary directory, and stores that count or fail."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from vfs.content.blobs import Blobs
from vfs.content.known import KnownChunks
from vfs.content.reader import FileReader
from vfs.content.writer import ContentWriter
from vfs.errors import StoreFull
from vfs.model.entry import ChunkList, Entry, Kind
from vfs.store.memory import MemoryStore
from vfs.store.protocol import ObjectInfo, Store


class CountingStore(MemoryStore):
    """A store in memory that notes each read, calls `listed` after a listing, and can be made to fail or to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[tuple[str, int, int | None]] = []
        self.listed: Callable[[], None] | None = None
        self.puts = 0
        self.fail_put: int | None = None
        self.gate: threading.Event | None = None
        self.at_gate = threading.Semaphore(0)

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        self.reads.append((key, start, length))
        self._wait()
        return super().get(key, start=start, length=length)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        found = list(super().list(prefix))
        if self.listed is not None:
            self.listed()
        return iter(found)

    def put(self, key: str, data: bytes | bytearray | memoryview) -> None:
        self._wait()
        self.puts += 1
        if self.puts == self.fail_put:
            raise StoreFull(f"{key}: no space left")
        super().put(key, data)

    def _wait(self) -> None:
        if self.gate is not None:
            self.at_gate.release()
            assert self.gate.wait(60)


class HeldRanges:
    """A cache of packs that keeps what it is given, range by range."""

    def __init__(self) -> None:
        self.held: dict[tuple[bytes, int], bytes] = {}

    def get(self, pack: bytes, offset: int, length: int) -> bytes | None:
        found = bytearray()
        while len(found) < length:
            piece = self._from(pack, offset + len(found))
            if not piece:
                return None
            found += piece
        return bytes(found[:length])

    def put(self, pack: bytes, offset: int, data: bytes | memoryview) -> None:
        self.held[pack, offset] = bytes(data)

    def drop(self, pack: bytes, offset: int, length: int) -> None:
        for (held_pack, start), data in list(self.held.items()):
            if held_pack == pack and start < offset + length and offset < start + len(data):
                del self.held[pack, start]

    def _from(self, pack: bytes, at: int) -> bytes:
        for (held_pack, start), data in self.held.items():
            if held_pack == pack and start <= at < start + len(data):
                return data[at - start :]
        return b""


class World:
    """Readers and writers over one store; a writer is made anew on each call, the index is shared."""

    def __init__(self, directory: Path, store: Store | None = None) -> None:
        self.store = store or MemoryStore()
        self.index = directory / "known.db"
        self.known = KnownChunks(self.index, self.store)

    def writer(self, jobs: int = 2) -> ContentWriter:
        return ContentWriter(self.store, self.known, jobs=jobs)

    def reader(self) -> FileReader:
        return FileReader(Blobs(self.store))

    def packs(self) -> list[str]:
        return [info.key for info in self.store.list("packs/")]


def entry(content: bytes | ChunkList, size: int, digest: bytes = b"") -> Entry:
    return Entry(path=b"file", kind=Kind.FILE, mode=0o644, mtime_ns=0, size=size, digest=digest, content=content)


def noise(seed: int, size: int) -> bytes:
    """Bytes that do not compress, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def reading(data: bytes, sizes: Iterator[int] | None = None) -> Callable[[int], bytes]:
    """A read function over `data`; each read gives at most the next of `sizes` bytes."""
    at = 0

    def read(size: int) -> bytes:
        nonlocal at
        if sizes is not None:
            size = min(size, next(sizes))
        piece = data[at : at + size]
        at += len(piece)
        return piece

    return read


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    return data[:at] + bytes((data[at] ^ (1 << bit),)) + data[at + 1 :]


def replace(store: Store, key: str, data: bytes) -> None:
    """Put other bytes under the key of an object that is there already."""
    store.delete(key)
    store.put(key, data)
