"""What must hold for the names of a leaf that came from a store, checked for the whole page at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, islice
from operator import lt

from vfs.errors import Corrupt
from vfs.model.names import NAME_MAX, PATH_MAX
from vfs.tree.layout import LEAF_MAX, LeafColumns


def check_names(columns: LeafColumns, names: Sequence[bytes], *, what: str) -> None:
    """Corrupt unless `names`, split from `columns`, are names in the order of keys, as many as the directories say."""
    dirs, counts = columns.dirs, columns.counts
    if not 0 < len(names) <= LEAF_MAX or sum(counts) != len(names) or len(dirs) != len(counts):
        raise Corrupt(f"{what}: entry counts do not fit together")
    if min(counts) < 1 or not all(map(lt, dirs, dirs[1:])):
        raise Corrupt(f"{what}: directories out of order")
    line = b"/" + columns.names + b"/"
    if b"\0" in line or max(map(len, names)) > NAME_MAX or any(b"\0" in parent for parent in dirs):
        raise Corrupt(f"{what}: a name is too long or holds NUL")
    if b"/./" in line or b"/../" in line:
        raise Corrupt(f"{what}: a name is . or ..")
    # Only the root has no name, and it is the first of all.
    if line.find(b"//", 1) >= 0 or (not names[0] and dirs[0]):
        raise Corrupt(f"{what}: a name is empty")
    # One byte per pair of neighbours, 0 where they are not in order: allowed only where a directory ends.
    ordered = bytes(map(lt, names, islice(names, 1, None)))
    if ordered.count(0) != sum(1 for edge in islice(accumulate(counts), len(counts) - 1) if not ordered[edge - 1]):
        raise Corrupt(f"{what}: names out of order")


def check_parents(paths: Sequence[bytes], *, what: str) -> None:
    """Corrupt unless `paths`, those of the directories of a leaf in order, can be paths of directories."""
    if max(map(len, paths)) > PATH_MAX:
        raise Corrupt(f"{what}: a path is too long")
    below = paths if paths[0] else paths[1:]
    line = b"/" + b"/".join(below) + b"/"
    long = any(len(path) > NAME_MAX and max(map(len, path.split(b"/"))) > NAME_MAX for path in below)
    if long or (below and (b"//" in line or b"/./" in line or b"/../" in line)):
        raise Corrupt(f"{what}: a directory path is not one")
