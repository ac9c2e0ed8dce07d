"""What a place must be able to do before a store is made there."""

from __future__ import annotations

import contextlib
import os

from vfs.errors import Conflict, StoreError
from vfs.store.protocol import Store


def lack_of_conditions(store: Store) -> str:
    """Why `store` cannot be relied on to refuse to create what exists and to replace what has changed; empty if it can.

    Where it cannot, two hosts may overwrite each other's commits. Uses one key, `probe-<random>`, and removes it.
    StoreError when nothing can be written there at all.
    """
    key = f"probe-{os.urandom(8).hex()}"
    try:
        return _tried(store, key)
    except Conflict as error:
        return f"the service has no conditional writes that work: {error}"
    except StoreError as error:
        # Only an answer that means nothing else may be about the condition: then the same write goes without.
        if type(error) is not StoreError or not _takes_plain(store, key):
            raise
        return f"the service has no conditional writes: {error}"
    finally:
        # What went wrong before matters more than a probe left behind.
        with contextlib.suppress(StoreError):
            store.delete(key)


def _tried(store: Store, key: str) -> str:
    old = store.swap(key, b"first", expected=None)
    new = store.swap(key, b"second", expected=old)
    if not (_refuses(store, key, None) and _refuses(store, key, old)):
        return "the service ignores conditional writes"
    store.remove(key, expected=new)
    return ""


def _refuses(store: Store, key: str, expected: str | None) -> bool:
    try:
        store.swap(key, b"third", expected=expected)
    except Conflict:
        return True
    return False


def _takes_plain(store: Store, key: str) -> bool:
    try:
        store.put(key, b"plain")
    except StoreError:
        return False
    return True
