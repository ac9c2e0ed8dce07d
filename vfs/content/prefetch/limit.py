"""How many requests may be under way at once: more while the store keeps up, half as many when it does not.

Additive increase, multiplicative decrease, as in TCP: a round of requests that all succeed allows one more, a
request that fails halves what is allowed. So many clients of one store find a share each.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from vfs.errors import StoreError


class AdaptiveLimit:
    """A gate for at most `allowed` at a time, between 1 and `most`. `_changed` guards everything."""

    def __init__(self, *, first: int, most: int) -> None:
        self._changed = threading.Condition()
        self._most = most
        self._allowed = min(first, most)
        self._under_way = 0
        self._good = 0

    @property
    def allowed(self) -> int:
        """Requests that may be under way at once."""
        return self._allowed

    @contextmanager
    def request(self) -> Iterator[None]:
        """Around one request: waits for its turn, and learns from its outcome; StoreError is a failure of the store."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way < self._allowed)
            self._under_way += 1
        try:
            yield
        except StoreError:
            self._end(failed=True)
            raise
        except BaseException:
            self._end(failed=False)
            raise
        else:
            self._end(failed=False)

    def _end(self, *, failed: bool) -> None:
        with self._changed:
            self._under_way -= 1
            if failed:
                self._allowed, self._good = max(self._allowed // 2, 1), 0
            else:
                self._good += 1
                if self._good >= self._allowed:
                    self._allowed, self._good = min(self._allowed + 1, self._most), 0
            self._changed.notify_all()
