"""What must hold for the names of a leaf that came from a store, checked for the whole page at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, islice
from operator import lt

from vfs.errors import Corrupt, InvalidName, NameTooLong
from vfs.model.entry import Kind
from vfs.model.names import NAME_MAX, PATH_MAX, check_path
from vfs.tree.keys import key_of
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


def check_links(columns: LeafColumns, path: Callable[[int], bytes], *, what: str) -> None:
    """Corrupt unless all other names that a leaf tells of can be those of one of its files, in key order."""
    for position, (first, following, count) in columns.links.items():
        if not 0 <= position < len(columns.kinds) or columns.kinds[position] != Kind.FILE:
            raise Corrupt(f"{what}: a hard link is no file")
        own = key_of(path(position))
        # The kernel counts them in 32 bits.
        if not 2 <= count < 2**32 or not (first or following):
            raise Corrupt(f"{what}: an impossible number of hard links")
        if (first and key_of(_checked(first, what)) >= own) or (following and key_of(_checked(following, what)) <= own):
            raise Corrupt(f"{what}: hard links out of order")


def _checked(path: bytes, what: str) -> bytes:
    try:
        return check_path(path)
    except (InvalidName, NameTooLong) as error:
        raise Corrupt(f"{what}: a hard link has no possible path") from error
