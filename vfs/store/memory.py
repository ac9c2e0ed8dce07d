"""A store in the memory of one process: for tests and for trees that need not outlive it."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator

from vfs.errors import Conflict, ObjectMissing
from vfs.store.keys import check_data, check_folder, check_key, check_prefix, check_range, content_version
from vfs.store.protocol import ObjectInfo


class MemoryStore:
    """Objects in a dict; one lock guards it, and no call waits for anything else."""

    def __init__(self, url: str = "memory:") -> None:
        """An empty store."""
        self.url = url
        self._objects: dict[str, tuple[bytes, int]] = {}
        self._lock = threading.Lock()

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """See `Store.get`."""
        check_range(key, start, length)
        data = self._data(key)
        return data[start : None if length is None else start + length]

    def get_version(self, key: str) -> tuple[bytes, str]:
        """See `Store.get_version`."""
        data = self._data(key)
        return data, content_version(data)

    def put(self, key: str, data: bytes | bytearray | memoryview) -> None:
        """See `Store.put`."""
        check_data(check_key(key), data)
        with self._lock:
            self._objects[key] = (bytes(data), time.time_ns())

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        """See `Store.swap`."""
        check_data(check_key(key), data)
        with self._lock:
            self._expect(key, expected)
            self._objects[key] = (bytes(data), time.time_ns())
        return content_version(data)

    def remove(self, key: str, *, expected: str) -> None:
        """See `Store.remove`."""
        with self._lock:
            self._expect(check_key(key), expected)
            del self._objects[key]

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        with self._lock:
            self._objects.pop(check_key(key), None)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Store.list`. The listing is of the moment of the first step."""
        check_prefix(prefix)
        with self._lock:
            keys = sorted(self._objects)
            first = bisect_left(keys, prefix)
            found = [ObjectInfo(key, len(self._objects[key][0]), self._objects[key][1]) for key in keys[first:]]
        for info in found:
            if not info.key.startswith(prefix):
                return
            yield info

    def list_names(self, prefix: str) -> Iterator[str]:
        """See `Store.list_names`. The listing is of the moment of the first step."""
        check_folder(prefix)
        with self._lock:
            below = [key[len(prefix) :] for key in self._objects if key.startswith(prefix)]
        parts = (key.partition("/") for key in below)
        yield from sorted({name + slash for name, slash, _ in parts})

    def close(self) -> None:
        """Nothing to release; the objects stay."""

    def _data(self, key: str) -> bytes:
        with self._lock:
            found = self._objects.get(check_key(key))
        if found is None:
            raise ObjectMissing(f"{self.url}: no object {key}")
        return found[0]

    def _expect(self, key: str, expected: str | None) -> None:
        found = self._objects.get(key)
        version = None if found is None else content_version(found[0])
        if version != expected:
            raise Conflict(f"{self.url}: {key}: another writer was first")
