"""What a place must be able to do before a store is made there."""

from __future__ import annotations

import contextlib
import os

from vfs.errors import Conflict, StoreError
from vfs.store.protocol import Store


def check_conditional_writes(store: Store) -> None:
    """StoreError unless `store` refuses to create what exists and to replace what has changed.

    A service that ignores the conditions would let two hosts overwrite each other's commits. Uses one
    key, `probe-<random>`, and removes it.
    """
    key = f"probe-{os.urandom(8).hex()}"
    try:
        old = store.swap(key, b"first", expected=None)
        new = store.swap(key, b"second", expected=old)
        kept = _refuses(store, key, None) and _refuses(store, key, old)
        store.remove(key, expected=new if kept else store.get_version(key)[1])
    except Conflict as error:
        raise StoreError(f"{store.url}: the service has no conditional writes that work: {error}") from error
    finally:
        # What went wrong before matters more than a probe left behind.
        with contextlib.suppress(StoreError):
            store.delete(key)
    if not kept:
        raise StoreError(f"{store.url}: the service ignores conditional writes, two hosts could overwrite each other")


def _refuses(store: Store, key: str, expected: str | None) -> bool:
    try:
        store.swap(key, b"third", expected=expected)
    except Conflict:
        return True
    return False
