"""Which commit two others both come from, over all parents.

The answer does not trust the clocks of those who committed: times only choose the order of looking. The cost is
that of the commits since the common ancestor, not of the whole history, unless a clock was far off.
"""

from __future__ import annotations

from heapq import heappop, heappush

from vfs.model.commit import StoredCommit
from vfs.model.ids import Digest, short
from vfs.repo.commits import read_linked
from vfs.repo.library import Library

_FROM_A, _FROM_B, _BELOW = 1, 2, 4
_COMMON = _FROM_A | _FROM_B


def common_ancestor(library: Library, a: StoredCommit, b: StoredCommit) -> StoredCommit | None:
    """The nearest commit that both come from (one of the two when it is the other's); None when there is none.

    Where branches were merged across one another there may be several of which none comes from another: of
    these the newest is taken, of equally new ones the one with the highest id.
    """
    best = _nearest(library, a, b)
    return max(best, key=lambda stored: (stored.commit.time_ns, stored.id), default=None)


def comes_from(library: Library, stored: StoredCommit, ancestor: StoredCommit) -> bool:
    """True when `ancestor` is `stored` or one of the commits it comes from."""
    return any(found.id == ancestor.id for found in _nearest(library, stored, ancestor))


def _nearest(library: Library, a: StoredCommit, b: StoredCommit) -> list[StoredCommit]:
    painting = _Painting(library, a, b)
    found = painting.run()
    if len(found) < 2:
        return found
    # A clock that went backwards lets an ancestor of a common ancestor be met before it: such ones are taken out.
    return [one for one in found if not any(_reaches(library, other, one) for other in found if other.id != one.id)]


class _Painting:
    """Marks from both sides run down the parents, newest first, until what is left to look at is common to both.

    A commit that only one side reaches is never below a common one, so its parents are always looked at; hence
    every nearest common ancestor gets both marks, whatever the times say.
    """

    def __init__(self, library: Library, a: StoredCommit, b: StoredCommit) -> None:
        self._library = library
        self._marks: dict[Digest, int] = {}
        self._queue: list[tuple[int, Digest, StoredCommit]] = []
        # In the queue, with marks not yet handed on, and not below a common one.
        self._open: set[Digest] = set()
        self._mark(a, _FROM_A)
        self._mark(b, _FROM_B)

    def run(self) -> list[StoredCommit]:
        """The commits with both marks that are below no other one seen."""
        found: dict[Digest, StoredCommit] = {}
        while self._open:
            stored = heappop(self._queue)[2]
            self._open.discard(stored.id)
            marks = self._marks[stored.id]
            if marks & _COMMON == _COMMON and not marks & _BELOW:
                found[stored.id] = stored
                marks |= _BELOW
            for parent in stored.commit.parents:
                if self._marks.get(parent, 0) & marks != marks:
                    by = f"{stored.commit.repo}: parent of {short(stored.id)}"
                    self._mark(read_linked(self._library, stored.commit.repo, parent, by=by), marks)
        return [stored for stored in found.values() if not self._marks[stored.id] & _BELOW]

    def _mark(self, stored: StoredCommit, marks: int) -> None:
        self._marks[stored.id] = self._marks.get(stored.id, 0) | marks
        if self._marks[stored.id] & _BELOW:
            self._open.discard(stored.id)
        else:
            self._open.add(stored.id)
        heappush(self._queue, (-stored.commit.time_ns, stored.id, stored))


def _reaches(library: Library, stored: StoredCommit, wanted: StoredCommit) -> bool:
    """Looks at all that `stored` comes from: for the rare case in which times cannot be trusted."""
    seen = {stored.id}
    left = [stored]
    while left:
        one = left.pop()
        by = f"{one.commit.repo}: parent of {short(one.id)}"
        for parent in one.commit.parents:
            if parent == wanted.id:
                return True
            if parent not in seen:
                seen.add(parent)
                left.append(read_linked(library, one.commit.repo, parent, by=by))
    return False
