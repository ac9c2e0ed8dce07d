"""What the files `.vfsignore` of a mount keep out of status and commit, as git has it.

One may lie in any directory and speaks of what is below that; the deepest that says something of a path counts.
What a commit has already is not ignored: callers ask only about paths that are new.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec

from vfs.errors import LocalIOError, Refused
from vfs.files.translate import local_error
from vfs.model.entry import Entry, Kind
from vfs.model.names import printable
from vfs.repo.patterns import Patterns
from vfs.workspace.node import Node
from vfs.workspace.place import join
from vfs.workspace.scan import Scan

IGNORE_FILE = b".vfsignore"
SIZE_MAX = 64 << 10
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# Directories remembered; a walk in the order of a tree comes back to those above it.
_KEPT = 4096


class _Rules(msgspec.Struct, frozen=True):
    """What counts in one directory: whether it is ignored itself, and the patterns here and above, deepest first."""

    hidden: bool
    levels: tuple[tuple[bytes, Patterns], ...]


class Ignores:
    """Answers from the `.vfsignore` files that the mount shows. `content` reads an entry of the commit below."""

    def __init__(self, scan: Scan, content: Callable[[Entry], bytes], *, shown: bytes) -> None:
        """`shown`: the mount point, for messages."""
        self._scan = scan
        self._content = content
        self._shown = shown
        self._rules: dict[bytes, _Rules] = {}

    def hides(self, path: bytes, *, directory: bool) -> bool:
        """True when a new `path` is ignored, or a directory above it. Refused, UsageError for a bad `.vfsignore`."""
        if not path:
            return False
        rules = self._of(path.rpartition(b"/")[0])
        return rules.hidden or _hidden(rules, path, directory)

    def _of(self, path: bytes) -> _Rules:
        found = self._rules.get(path)
        if found is None:
            found = self._made(path)
            if len(self._rules) >= _KEPT:
                self._rules.clear()
            self._rules[path] = found
        return found

    def _made(self, path: bytes) -> _Rules:
        above = self._of(path.rpartition(b"/")[0]) if path else _Rules(False, ())
        if above.hidden or (path and _hidden(above, path, True)):
            return _Rules(True, ())
        own = self._patterns(join(path, IGNORE_FILE))
        return _Rules(False, above.levels if own is None else ((path, own), *above.levels))

    def _patterns(self, path: bytes) -> Patterns | None:
        node = self._scan.node(path)
        if node is None or node.kind is not Kind.FILE:
            return None
        where = printable(join(self._shown, path))
        if node.size > SIZE_MAX:
            raise Refused(f"{where}: {node.size} bytes, more than the {SIZE_MAX} that are read")
        data = self._content(node.source) if node.source is not None else _read(node, where)
        return Patterns(os.fsdecode(data).splitlines(), where=where)


def _hidden(rules: _Rules, path: bytes, directory: bool) -> bool:
    for base, patterns in rules.levels:
        said = patterns.says(path[len(base) + 1 :] if base else path, directory=directory)
        if said is not None:
            return said
    return False


def _read(node: Node, where: str) -> bytes:
    assert node.found is not None
    try:
        fd = os.open(node.found.name, _OPEN, dir_fd=node.found.parent.fd)
        try:
            data = os.read(fd, SIZE_MAX + 1)
        finally:
            os.close(fd)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise local_error(where, "read", error) from error
    if len(data) > SIZE_MAX:
        raise LocalIOError(f"{where}: grew beyond the {SIZE_MAX} bytes that are read")
    return data
