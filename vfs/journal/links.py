"""Between which processes data may go otherwise than from parent to child: what `Process.linked` says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from vfs.journal import procfs
from vfs.journal.loose import Loose, keep
from vfs.journal.procfs import End, Mark

_CHAIN = 32


class Links:
    """The links of one session's processes. Not thread-safe.

    Linked to a process are: the program it executed in place of; the one it was forked from, while it runs the same
    program; the writers of a pipe it reads, and both ends of a socket; its parent, where it has a file open for reading
    that its parent has open, too. The root of the run is linked to nobody, and what it had open before counts for
    nothing: all have it. Where a pipe comes from whose writer was never described, `Loose` guesses, once its reader
    has ended.
    """

    def __init__(
        self, *, root_pid: int | None = None, ends_of: Callable[[int], Sequence[End]] = procfs.ends_of
    ) -> None:
        """`root_pid`: the root of the run; `ends_of`: what a process has open, by its number."""
        self._ends_of = ends_of
        self._root_pid, self._root = root_pid, 0
        self._inherited = {end.what for end in ends_of(root_pid)} if root_pid is not None else set[bytes]()
        self._programs: dict[tuple[int, int], int] = {}
        self._images: dict[int, int] = {}
        self._above: dict[int, tuple[int, int]] = {}
        self._loose = Loose(self._above)
        self._told: dict[tuple[int, int], None] = {}
        self._new: list[tuple[int, int]] = []

    def leave_out(self, pid: int) -> None:
        """Do not count the standard streams of this process: all that it starts inherit them."""
        self._inherited.update(end.what for end in self._ends_of(pid) if end.standard)

    def program_before(self, pid: int, mark: Mark, key: int) -> int:
        """The key of the program in whose place the one with this key was executed, 0 for none known."""
        before = self._programs.get((pid, mark.start), 0)
        keep(self._programs, (pid, mark.start), key)
        return before

    def describe(
        self, key: int, pid: int, mark: Mark, *, before: int, parent: tuple[int, int], started_ns: int = 0
    ) -> tuple[int, ...]:
        """What a new process is linked to; `before` as `program_before` says, `parent`: number and key, 0 for none.

        What others are linked to since it is there comes with `take`.
        """
        if pid == self._root_pid:
            self._root = key
        keep(self._above, key, parent)
        self._loose.begin(key, started_ns)
        for other in (before, self._forked_from(mark, parent, key)):
            self._link(key, other)
        ends = [end for end in self._ends_of(pid) if end.what not in self._inherited]
        if ends:
            self._join(key, ends)
            self._look_above(key, ends)
        linked = tuple(sorted(other for new, other in self._new if new == key))
        self._new = [pair for pair in self._new if pair[0] != key]
        return linked

    def add(self, key: int, other: int) -> None:
        """Data of `other` came to the process with this key in another way."""
        self._link(key, other)

    def ancestors(self, key: int) -> list[int]:
        """The numbers of the ancestors of the process with this key, its parent first, as they were described."""
        found: list[int] = []
        while key in self._above and len(found) < _CHAIN:
            pid, key = self._above[key]
            found.append(pid)
        return found

    def take(self) -> list[tuple[int, int]]:
        """The links since the last call that no description has: (key, key of one whose data may have come to it)."""
        new, self._new = self._new, []
        return new

    def put_back(self, links: list[tuple[int, int]]) -> None:
        """Hold what was taken and could not be written."""
        self._new = [*links, *self._new]

    def settle(self, ended: Iterable[tuple[int, int]]) -> None:
        """Find where data came from to processes that have ended: (key, end in nanoseconds)."""
        self._link_all(self._loose.settle(ended))

    def settle_all(self) -> None:
        """As `settle`, to those that still live, as far as is known now."""
        self._link_all(self._loose.settle_all())

    def _forked_from(self, mark: Mark, parent: tuple[int, int], key: int) -> int:
        """Who runs the same program: a stack begins at the same place in a fork, at another in what is executed."""
        if not mark.stack:
            return 0
        first = self._images.get(mark.stack, 0)
        if not first:
            keep(self._images, mark.stack, key)
            return 0
        above = procfs.mark_of(parent[0]) if parent[1] else None
        return parent[1] if above is not None and above.stack == mark.stack else first

    def _join(self, key: int, ends: Iterable[End]) -> bool:
        """Note which pipes and sockets a process has, and link it; whether one of them is new."""
        new = False
        for end in ends:
            if end.is_file or end.what in self._inherited:
                continue
            sure = end.is_pipe or end.standard
            if end.reads and self._loose.reads(key, end.what, sure=sure):
                new = True
                for other in self._loose.writers(end.what):
                    self._link(key, other)
            if end.writes and self._loose.writes(key, end.what, sure=sure):
                new = True
                for other in self._loose.readers(end.what):
                    self._link(other, key)
        return new

    def _look_above(self, key: int, ends: Iterable[End]) -> None:
        """What a parent passed on it may have opened since it was described itself."""
        files = {end.what for end in ends if end.is_file and end.reads}
        pid, above = self._above[key]
        if above and above == self._root:
            # It is linked to nobody, and may have much open that is nobody's business.
            self._loose.answer(key)
            return
        if not files and not self._loose.is_loose(key):
            return
        for _ in range(_CHAIN):
            if not above:
                return
            had = self._ends_of(pid)
            if files & {end.what for end in had if end.is_file and end.reads}:
                self._link(key, above)
            if not self._join(above, had):
                return
            files = set()
            pid, above = self._above.get(above, (0, 0))

    def _link_all(self, pairs: Iterable[tuple[int, int]]) -> None:
        for key, other in pairs:
            self._link(key, other)

    def _link(self, key: int, other: int) -> None:
        if other and key != other and self._root not in (key, other) and (key, other) not in self._told:
            keep(self._told, (key, other), None)
            self._new.append((key, other))
