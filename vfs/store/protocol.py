"""What every store can do: bytes by key, immutable but for refs, which move by compare-and-swap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec


class ObjectInfo(msgspec.Struct, frozen=True):
    """One listed object: key, size in bytes, modification time in nanoseconds since the epoch."""

    key: str
    size: int
    mtime_ns: int


class Store(Protocol):
    """Bytes by key. Safe to call from several threads; every call ends within a deadline.

    Keys are `/`-joined parts of `[A-Za-z0-9._+-]`. Errors: ObjectMissing for an absent key,
    StoreDenied, StoreFull, StoreTimeout, else StoreError; never an OSError or a botocore error.
    """

    url: str

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """`length` bytes from `start` (to the end when None). A shorter object gives what there is."""

    def get_version(self, key: str) -> tuple[bytes, str]:
        """The whole object and its version token, for `swap`.

        A version may be that of the content: a ref that moved away and back is of its old version again.
        """

    def put(self, key: str, data: bytes | bytearray | memoryview) -> None:
        """Store an immutable object durably, whole or not at all. Repeating it with the same bytes is harmless."""

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        """Replace a ref if its version is still `expected` (None: it must not exist); the new version.

        Conflict when another writer was first.
        """

    def remove(self, key: str, *, expected: str) -> None:
        """Remove a ref if its version is still `expected`; Conflict otherwise."""

    def delete(self, key: str) -> None:
        """Remove an immutable object; an absent one is no error."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """All objects whose key starts with `prefix`, in key order."""

    def list_names(self, prefix: str) -> Iterator[str]:
        """What lies directly below `prefix` (empty, or ending with a slash), in key order, each name once.

        Objects by name; `name/` where keys go on. It costs no more for what lies deeper. A `name/` whose objects
        were all removed may still be told.
        """

    def close(self) -> None:
        """Release connections and files."""
