"""A store in a local directory: one file per object, key parts as directories.

Crash windows: an object is written to a temporary file, made durable, renamed, and its directory made
durable, so a reader sees the old object or the new one. What a crash leaves is a temporary file, which
listings do not show and `sweep` removes. Refs move under one lock file per store.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator

from vfs.errors import Conflict, ObjectMissing, StoreMissing
from vfs.files.atomic import TEMP_PREFIX, fsync_dir, write_atomic
from vfs.files.lock import FileLock
from vfs.store.descriptors import Descriptors, Opened
from vfs.store.keys import check_data, check_folder, check_key, check_prefix, check_range, content_version, is_key
from vfs.store.linger import Linger
from vfs.store.protocol import ObjectInfo, Store
from vfs.store.translate import translating

LOCK_NAME = ".lock"
# What the umask leaves of these decides who else may use the store.
_FILE_MODE = 0o666
_DIR_MODE = 0o777
# Objects below this are read in many small parts, and never change: their files are kept open.
_KEPT_OPEN = "packs/"
# An object is written in seconds; after an hour its temporary file has no writer any more.
SWEEP_AGE = 3600.0


class LocalStore:
    """Objects as files below `root`.

    Invariants: a file under a key's name is whole and durable; a name that starts with a dot is never an
    object; refs change only while `.lock` is held, so a version read under it stays true until the rename.
    Safe for any number of threads and processes. Packs that were read last are kept open until `close`.
    """

    def __init__(self, root: str | os.PathLike[str], *, timeout: float = 60.0) -> None:
        """`root` is an existing directory; `timeout`: seconds to wait for the lock of refs."""
        self.root = os.path.abspath(os.fspath(root))
        self.url = f"file://{self.root}"
        self._timeout = timeout
        self._files = Descriptors()
        self.linger = Linger()

    def local_path(self, key: str) -> str:
        """The absolute path of the file that holds, or would hold, the object `key`."""
        return f"{self.root}/{check_key(key)}"

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """See `Store.get`."""
        check_range(key, start, length)
        path = self.local_path(key)
        try:
            with translating(self.url, key, "read"):
                file, size = self._opened(key, path)
                return file.read(start, size - start if length is None else min(length, size - start))
        except _Absent as error:
            raise self._missing(key) from error

    def get_now(self, key: str, start: int, length: int) -> memoryview | None:
        """`length` bytes from `start` of a pack from the kernel's memory, or as soon as the disk has them; else None.

        Takes no longer than `linger` says, whatever the disk does. None also for a pack that was not read before, that
        is gone, or that ends too early.
        """
        held = self._files.held(self.local_path(key))
        if held is None or start + length > held[1]:
            return None
        return held[0].read_now(start, length, self.linger)

    def get_version(self, key: str) -> tuple[bytes, str]:
        """See `Store.get_version`."""
        data = self.get(key)
        return data, content_version(data)

    def put(self, key: str, data: bytes | bytearray | memoryview) -> None:
        """See `Store.put`."""
        check_data(key, data)
        path = self.local_path(key)
        with translating(self.url, key, "written"):
            self._make_parents(path)
            write_atomic(path, data, mode=_FILE_MODE)

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        """See `Store.swap`."""
        check_data(key, data)
        path = self.local_path(key)
        with translating(self.url, key, "written"), self._lock():
            self._expect(key, expected)
            self._make_parents(path)
            write_atomic(path, data, mode=_FILE_MODE)
        return content_version(data)

    def remove(self, key: str, *, expected: str) -> None:
        """See `Store.remove`."""
        path = self.local_path(key)
        with translating(self.url, key, "removed"), self._lock():
            self._expect(key, expected)
            os.unlink(path)
            fsync_dir(os.path.dirname(path))

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        path = self.local_path(key)
        with translating(self.url, key, "removed"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)
            fsync_dir(os.path.dirname(path))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Store.list`. Objects that come or go meanwhile may be in it or not."""
        check_prefix(prefix)
        if not os.path.isdir(self.root):
            raise StoreMissing(f"{self.url}: no such directory")
        top = prefix.rpartition("/")[0]
        yield from self._walk(f"{top}/" if top else "", prefix)

    def list_names(self, prefix: str) -> Iterator[str]:
        """See `Store.list_names`. One directory is read."""
        check_folder(prefix)
        if not os.path.isdir(self.root):
            raise StoreMissing(f"{self.url}: no such directory")
        with translating(self.url, prefix, "listed"):
            names = _sorted_names(f"{self.root}/{prefix}")
        for name, is_dir in names:
            if is_dir or any(self._info(prefix + name)):
                yield name

    def sweep(self, *, older_than: float = SWEEP_AGE) -> int:
        """Remove temporary files that crashed writers left, those unchanged for `older_than` seconds; how many."""
        before = time.time() - older_than
        removed = 0
        with translating(self.url, "", "swept"):
            for directory, _, files in os.walk(self.root):
                for name in files:
                    removed += name.startswith(TEMP_PREFIX) and _unlink_old(os.path.join(directory, name), before)
        return removed

    def close(self) -> None:
        """Close the packs that were kept open; a later read opens them again."""
        self._files.clear()

    def _opened(self, key: str, path: str) -> tuple[Opened, int]:
        try:
            if key.startswith(_KEPT_OPEN):
                return self._files.take(path)
            file = Opened(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _Absent from error
        return file, file.look()[0]

    def _missing(self, key: str) -> ObjectMissing | StoreMissing:
        if not os.path.isdir(self.root):
            return StoreMissing(f"{self.url}: no such directory")
        return ObjectMissing(f"{self.url}: no object {key}")

    def _lock(self) -> FileLock:
        return FileLock(f"{self.root}/{LOCK_NAME}", timeout=self._timeout, mode=_FILE_MODE)

    def _expect(self, key: str, expected: str | None) -> None:
        try:
            version = self.get_version(key)[1]
        except ObjectMissing:
            version = None
        if version != expected:
            raise Conflict(f"{self.url}: {key}: another writer was first")

    def _make_parents(self, path: str) -> None:
        missing: list[str] = []
        directory = os.path.dirname(path)
        while len(directory) > len(self.root) and not os.path.isdir(directory):
            missing.append(directory)
            directory = os.path.dirname(directory)
        for directory in reversed(missing):
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, _DIR_MODE)
            fsync_dir(os.path.dirname(directory))

    def _walk(self, below: str, prefix: str) -> Iterator[ObjectInfo]:
        with translating(self.url, below, "listed"):
            names = _sorted_names(f"{self.root}/{below}")
        for name, is_dir in names:
            key = below + name
            if is_dir and (key.startswith(prefix) or prefix.startswith(key)):
                yield from self._walk(key, prefix)
            elif not is_dir and key.startswith(prefix):
                yield from self._info(key)

    def _info(self, key: str) -> Iterator[ObjectInfo]:
        with translating(self.url, key, "read"):
            try:
                found = os.lstat(f"{self.root}/{key}")
            except FileNotFoundError:
                return
        if stat.S_ISREG(found.st_mode):
            yield ObjectInfo(key, found.st_size, found.st_mtime_ns)


def local_store(store: Store) -> LocalStore | None:
    """The local store that `store` is or passes its calls on to; None for one that is far away."""
    inner: object = store
    while inner is not None and not isinstance(inner, LocalStore):
        inner = getattr(inner, "inner", None)
    return inner


class _Absent(Exception):
    """There is no such file."""


def _sorted_names(directory: str) -> list[tuple[str, bool]]:
    """Names in key order: a directory sorts as its name with a slash, so `a-b` comes before `a/…`."""
    names: list[tuple[str, bool]] = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(directory) as entries:
        for entry in entries:
            if is_key(entry.name):
                is_dir = entry.is_dir()
                names.append((entry.name + "/" if is_dir else entry.name, is_dir))
    names.sort()
    return names


def _unlink_old(path: str, before: float) -> bool:
    with contextlib.suppress(FileNotFoundError):
        if os.lstat(path).st_mtime < before:
            os.unlink(path)
            return True
    return False
