"""A store in an S3 bucket: objects below a prefix, refs by conditional writes.

A removed ref is an object of no bytes: deleting under a condition is not something every service does,
replacing under one is, so `remove` is a swap that leaves nothing to read. A version is the ETag as the
service sent it. Some services (Ceph before version 18) match only an ETag without its quotes: when a
condition fails although the ETag still stands, the other form is tried.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from vfs.concurrency.pool import ordered_map
from vfs.config.settings import S3Settings
from vfs.errors import Conflict, ObjectMissing, StoreError, VfsError
from vfs.store.keys import check_data, check_folder, check_key, check_prefix, check_range, is_key
from vfs.store.protocol import ObjectInfo
from vfs.store.s3 import Bucket, Unmet
from vfs.store.s3_reader import SignedReader
from vfs.store.url import S3URL

# Larger objects go in parts of this size. S3 wants 5 MiB at least and 10,000 parts at most; a pack has eight.
PART_SIZE = 8 * 1024 * 1024
# Parts under way at a time: enough to fill a line, 32 MiB of memory.
_AT_A_TIME = 4
SWEEP_AGE = 86400.0
# Seconds that closing waits for a sweep under way: one or two requests.
_SWEEP_WAIT = 2.0


class S3Store:
    """Objects below `prefix` in one bucket. Thread-safe: what it holds is, and it changes nothing else.

    Invariant: an object of no bytes is a removed ref, and absent to every caller. `_quoted` is the form
    of ETags that the service was last seen to match; either value is right to start with. `_lock` guards
    that one sweep is begun.
    """

    def __init__(self, place: S3URL, s3: S3Settings, *, timeout: float = 60.0, sweep_age: float | None = None) -> None:
        """`timeout`: seconds for one request with all its attempts; a last attempt may take a quarter more.

        With `sweep_age`, the first object put begins, in a thread, a sweep of uploads that many seconds old.
        ConfigError when the settings make no client; the service is not asked yet.
        """
        self.url = f"s3://{place.bucket}" + (f"/{place.prefix}" if place.prefix else "")
        self._prefix = f"{place.prefix}/" if place.prefix else ""
        self._bucket = Bucket(place.bucket, s3, timeout=timeout)
        self._reader = SignedReader(self._bucket, self._bucket.pool(), self._bucket.timeouts)
        self._quoted = True
        self._sweep_age = sweep_age
        self._sweeping: threading.Thread | None = None
        self._lock = threading.Lock()

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """See `Store.get`."""
        check_range(key, start, length)
        data = self._read(key, start, length)[0] if length != 0 else b""
        if not data:
            self._must_exist(key)
        return data

    def get_version(self, key: str) -> tuple[bytes, str]:
        """See `Store.get_version`."""
        data, etag = self._read(key, 0, None)
        if not data:
            raise self._missing(key)
        return data, etag

    def put(self, key: str, data: bytes | bytearray | memoryview) -> None:
        """See `Store.put`. Objects over 8 MiB go in parts, each with a deadline of its own."""
        check_data(key, data)
        name = self._name(key)
        self._sweep_once()
        if len(data) > PART_SIZE:
            self._put_parts(name, memoryview(data))
        else:
            self._bucket.put(name, data if isinstance(data, bytes) else bytes(data))

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        """See `Store.swap`."""
        check_data(key, data)
        return self._exchange(key, data, expected)

    def remove(self, key: str, *, expected: str) -> None:
        """See `Store.remove`."""
        self._exchange(key, b"", expected)

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        self._bucket.delete(self._name(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Store.list`. Up to 1,000 objects are one request; mtimes are whole seconds on most services."""
        whole = self._prefix + check_prefix(prefix)
        after, more = "", True
        while more:
            page, more = self._bucket.page(whole, after)
            # A page without objects has no place to go on from.
            more = more and bool(page)
            for found in page:
                after = found.key
                key = found.key[len(self._prefix) :]
                if found.size and is_key(key):
                    yield ObjectInfo(key, found.size, found.mtime_ns)

    def list_names(self, prefix: str) -> Iterator[str]:
        """See `Store.list_names`. Up to 1,000 names are one request, however much lies below them."""
        whole = self._prefix + check_folder(prefix)
        names, token = self._bucket.names(whole, "")
        while True:
            yield from (name for found in names if is_key((name := found[len(whole) :]).removesuffix("/")))
            if not token:
                return
            names, token = self._bucket.names(whole, token)

    def sweep(self, *, older_than: float = SWEEP_AGE) -> int:
        """Drop uploads in parts that crashed writers left, begun over `older_than` seconds ago; how many."""
        old = [(name, upload) for name, upload, age in self._bucket.uploads(self._prefix) if age >= older_than]
        for name, upload in old:
            self._bucket.drop_upload(name, upload)
        return len(old)

    def _sweep_once(self) -> None:
        if self._sweep_age is None:
            return
        with self._lock:
            if self._sweeping is None:
                self._sweeping = threading.Thread(target=self._sweep_quietly, name="store-sweep", daemon=True)
                self._sweeping.start()

    def _sweep_quietly(self) -> None:
        # Rights to list uploads are often not given to writers; then whoever owns the bucket has rules for them.
        with contextlib.suppress(VfsError):
            self.sweep(older_than=SWEEP_AGE if self._sweep_age is None else self._sweep_age)

    def close(self) -> None:
        """Close the connections."""
        if self._sweeping is not None:
            self._sweeping.join(_SWEEP_WAIT)
        self._reader.close()
        self._bucket.close()

    def _name(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _read(self, key: str, start: int, length: int | None) -> tuple[bytes, str]:
        name = self._name(key)
        return self._bucket.persist(
            f"{name}: cannot be read", lambda attempt: self._reader.get(name, start, length, attempt.deadline)
        )

    def _must_exist(self, key: str) -> None:
        found = self._bucket.head(self._name(key))
        if found is None or not found.size:
            raise self._missing(key)

    def _missing(self, key: str) -> ObjectMissing:
        return ObjectMissing(f"{self.url}: no object {key}")

    def _put_parts(self, name: str, data: memoryview) -> None:
        upload = self._bucket.begin_upload(name)

        def send(start: int) -> str:
            return self._bucket.put_part(name, upload, start // PART_SIZE + 1, bytes(data[start : start + PART_SIZE]))

        try:
            starts = range(0, len(data), PART_SIZE)
            etags = tuple(ordered_map(send, starts, workers=_AT_A_TIME, ahead=_AT_A_TIME))
            self._bucket.end_upload(name, upload, etags, len(data))
        except BaseException:
            # What cannot be dropped now, `sweep` drops later.
            with contextlib.suppress(StoreError):
                self._bucket.drop_upload(name, upload)
            raise

    def _exchange(self, key: str, data: bytes, expected: str | None) -> str:
        name = self._name(key)
        version = self._create(name, data) if expected is None else self._replace(name, data, expected)
        if version is None:
            raise Conflict(f"{self.url}: {key}: another writer was first")
        return version

    def _create(self, name: str, data: bytes) -> str | None:
        try:
            return self._bucket.put_if(name, data, None)
        except Unmet as unmet:
            found = self._bucket.head(name)
            if found is not None and found.mark == unmet.mark:
                return found.etag
            return None if found is None or found.size else self._replace(name, data, found.etag)

    def _replace(self, name: str, data: bytes, etag: str) -> str | None:
        first = self._quoted
        for quoted in (first, not first):
            try:
                version = self._bucket.put_if(name, data, etag if quoted else etag.strip('"'))
            except Unmet as unmet:
                found = self._bucket.head(name)
                if found is not None and found.mark == unmet.mark:
                    return found.etag
                if found is None or found.etag != etag:
                    return None
            else:
                self._quoted = quoted
                return version
        return None
