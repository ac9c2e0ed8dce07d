"""Finished packs on their way to the store, a thread for each, a few at a time."""

from __future__ import annotations

import threading

from vfs.content.known import KnownChunks
from vfs.content.pack import PackWriter, pack_key
from vfs.content.pending import Pending
from vfs.errors import VfsError
from vfs.store.protocol import Store


class Uploads:
    """Puts packs into the store and, once one is durable, its blobs into the index of known chunks.

    Invariants: at most `limit` packs are under way, so memory is bounded; after a first failure
    nothing more is sent and every call raises what failed. The threads are daemons: a process that
    ends leaves whole packs or none, because a put is whole or not at all.
    """

    def __init__(self, store: Store, known: KnownChunks, pending: Pending, *, limit: int) -> None:
        self._store = store
        self._known = known
        self._pending = pending
        self._limit = limit
        self._changed = threading.Condition()
        self._under_way = 0
        self._failure: BaseException | None = None

    def check(self) -> None:
        """Raise what went wrong with an earlier pack, if anything did."""
        failure = self._failure
        if isinstance(failure, VfsError):
            raise type(failure)(str(failure)) from failure
        if failure is not None:
            raise failure

    def send(self, pack: PackWriter) -> None:
        """Start the upload of a pack; waits first while `limit` others are under way."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way < self._limit)
            self.check()
            self._under_way += 1
        threading.Thread(target=self._work, args=(pack,), daemon=True, name="vfs-upload").start()

    def wait(self) -> None:
        """Return when every pack sent is durable, or raise what failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way == 0)
        self.check()

    def _work(self, pack: PackWriter) -> None:
        failure: BaseException | None = None
        try:
            self._store.put(pack_key(pack.pack), pack.seal())
            self._known.add(pack.entries)
            self._pending.forget(pack.entries)
            pack.release()
        except BaseException as error:
            failure = error
        with self._changed:
            self._failure = self._failure or failure
            self._under_way -= 1
            self._changed.notify_all()
