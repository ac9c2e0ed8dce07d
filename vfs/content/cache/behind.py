"""Writing to the cache behind the readers: what was fetched is in use before it is on disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

# Fetched bytes that wait for the disk: eight requests of a prefetch.
QUEUE_MAX = 64 << 20


class Piece(NamedTuple):
    """Bytes of a pack that are to be written."""

    pack: bytes
    offset: int
    data: bytes | memoryview

    def touches(self, pack: bytes, start: int, end: int) -> bool:
        """Whether it has a byte in a range of a pack."""
        return self.pack == pack and self.offset < end and start < self.offset + len(self.data)


class Behind:
    """A queue of at most `limit` bytes, and one thread that writes it in order. Thread-safe.

    The thread lives while there is work. `_changed` guards the queue and what is being written; `write` is called
    without it. What waits can be read and dropped as if it were written.
    """

    def __init__(self, write: Callable[[Piece], None], *, limit: int = QUEUE_MAX) -> None:
        """`write` must not raise: it is called where nobody would hear of it."""
        self._write = write
        self._limit = limit
        self._changed = threading.Condition()
        self._waiting: deque[Piece] = deque()
        self._writing: Piece | None = None
        self._size = 0
        self._running = False

    def put(self, piece: Piece) -> bool:
        """Take a piece; False when there is no room, and the caller has to write it."""
        with self._changed:
            if self._size + len(piece.data) > self._limit:
                return False
            self._waiting.append(piece)
            self._size += len(piece.data)
            if not self._running:
                self._running = True
                threading.Thread(target=self._work, name="cache-writer", daemon=True).start()
        return True

    def get(self, pack: bytes, start: int, end: int) -> memoryview | None:
        """The bytes `start` to `end` of a pack, when one piece that is not written yet has them all."""
        with self._changed:
            for piece in self._pieces():
                if piece.pack == pack and piece.offset <= start and end <= piece.offset + len(piece.data):
                    return memoryview(piece.data)[start - piece.offset : end - piece.offset]
        return None

    def drop(self, pack: bytes, start: int, end: int) -> None:
        """Forget what waits and touches a range; returns when none of it is being written either."""
        with self._changed:
            kept = deque(piece for piece in self._waiting if not piece.touches(pack, start, end))
            self._size -= sum(len(piece.data) for piece in self._waiting) - sum(len(piece.data) for piece in kept)
            self._waiting = kept
            self._changed.wait_for(lambda: self._writing is None or not self._writing.touches(pack, start, end))

    def flush(self, timeout: float | None = None) -> bool:
        """Return when nothing waits any more; False when that took more than `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, timeout)

    def _pieces(self) -> list[Piece]:
        return [*self._waiting, *([self._writing] if self._writing is not None else [])]

    def _work(self) -> None:
        try:
            while (piece := self._next()) is not None:
                self._write(piece)
        except BaseException:
            self._give_up()
            raise

    def _next(self) -> Piece | None:
        """The next piece to write; None when there is none, and the thread ends."""
        with self._changed:
            if self._writing is not None:
                self._size -= len(self._writing.data)
            self._writing = self._waiting.popleft() if self._waiting else None
            self._running = self._writing is not None
            self._changed.notify_all()
            return self._writing

    def _give_up(self) -> None:
        """Leave nobody waiting for a thread that `write` ended, which it must not."""
        with self._changed:
            self._waiting.clear()
            self._writing, self._size, self._running = None, 0, False
            self._changed.notify_all()
