"""What the files `.vfsignore` in local directories keep out of a put, as git has it.

One may lie in any directory that is walked and speaks of what is below that; the deepest that says something of a
path counts. What the branch has already is never kept out: then a put would leave an old state of it there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vfs.errors import LocalIOError, Refused
from vfs.files.translate import local_error
from vfs.model.names import printable
from vfs.repo.directory import Directory
from vfs.repo.patterns import Patterns

IGNORE_FILE = b".vfsignore"
SIZE_MAX = 64 << 10
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts in one directory: whether it is ignored itself, and the patterns here and above, deepest first.

    The first of each pair is the path, in the tree, of the directory that the patterns lie in.
    """

    hidden: bool = False
    levels: tuple[tuple[bytes, Patterns], ...] = ()

    def hide(self, path: bytes, *, directory: bool) -> bool:
        """True when they keep out a new `path` of their directory."""
        if self.hidden:
            return True
        for base, patterns in self.levels:
            said = patterns.says(path[len(base) + 1 :] if base else path, directory=directory)
            if said is not None:
                return said
        return False


NOTHING = Rules()


class Ignoring:
    """Makes the rules of directories on their walk. `is_there` tells of a path whether the branch has it."""

    def __init__(self, is_there: Callable[[bytes], bool]) -> None:
        self._is_there = is_there

    def rules(
        self, above: Rules, directory: Directory, names: Sequence[tuple[bytes, int]], *, at: bytes, shown: bytes
    ) -> Rules:
        """Those of `directory`, which lies at `at` in the tree and holds `names`. Refused, UsageError, LocalIOError."""
        if above.hide(at, directory=True):
            return Rules(hidden=True)
        if (IGNORE_FILE, stat.S_IFREG) not in names:
            return above
        where = shown + b"/" + IGNORE_FILE
        lines = os.fsdecode(_read(directory, where)).splitlines()
        return Rules(False, ((at, Patterns(lines, where=printable(where))), *above.levels))

    def leaves_out(self, rules: Rules, path: bytes, *, directory: bool) -> bool:
        """True when `path`, in a directory with `rules`, is kept out: it is ignored, and new."""
        return rules.hide(path, directory=directory) and not self._is_there(path)


def _read(directory: Directory, where: bytes) -> bytes:
    try:
        fd = os.open(IGNORE_FILE, _OPEN, dir_fd=directory.fd)
        try:
            size = os.fstat(fd).st_size
            data = os.read(fd, SIZE_MAX + 1)
        finally:
            os.close(fd)
    except OSError as error:
        raise local_error(where, "read", error) from error
    if size > SIZE_MAX:
        raise Refused(f"{printable(where)}: {size} bytes, more than the {SIZE_MAX} that are read")
    if len(data) > SIZE_MAX:
        raise LocalIOError(f"{printable(where)}: grew beyond the {SIZE_MAX} bytes that are read")
    return data
