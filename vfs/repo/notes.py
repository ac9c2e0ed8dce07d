"""What a walk over local files could not take along: failures by path, and counted warnings."""

from __future__ import annotations

from collections import Counter

import msgspec

from vfs.model.names import printable


class Failure(msgspec.Struct, frozen=True):
    """A local path that was left out, and why (lower case, no full stop)."""

    path: bytes
    cause: str

    def __str__(self) -> str:
        return f"{printable(self.path)}: {self.cause}"


class Notes:
    """Collects while the walk goes on. Added to by one thread."""

    def __init__(self) -> None:
        self._failures: dict[bytes, Failure] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def fail(self, path: bytes, cause: str) -> None:
        """A path that is left out though the user asked for it; the first cause of each path is kept."""
        self._failures.setdefault(path, Failure(path, cause))

    def count(self, what: str, done: str) -> None:
        """One more of `what` (singular), to which `done` was done: "socket", "skipped"."""
        self._counts[what, done] += 1

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What was left out, by path."""
        return tuple(self._failures[path] for path in sorted(self._failures))

    def warnings(self) -> tuple[str, ...]:
        """One line for each kind of thing that was counted: `3 sockets: skipped`."""
        return tuple(f"{n} {what}{'s' if n > 1 else ''}: {done}" for (what, done), n in sorted(self._counts.items()))
