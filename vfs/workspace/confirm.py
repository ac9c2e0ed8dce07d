"""Making sure that what was read under a name is content, and whose.

Between the look at an entry and the reading of it a program may put another file in its place; the kernel may
even put one there that has attributes only, and whose content (zeros, for all that can be read) is in the commit
below. Names are asked for again below the same open directory, and a file cannot come back to its place
unnoticed: being renamed, unlinked or linked changes its ctime.
"""

from __future__ import annotations

from functools import lru_cache

from vfs.content.writer import ContentWriter
from vfs.errors import Busy, LocalIOError
from vfs.model.entry import Entry, Kind
from vfs.model.ids import Digest, digest_of
from vfs.model.names import printable
from vfs.repo.ingest import scan_entry
from vfs.workspace.marks import same_state
from vfs.workspace.node import Node
from vfs.workspace.opened import OpenedLayer

ATTEMPTS = 3
# A file without content of its own has at most a block for its attributes, the size of which the largest
# file systems count in 64 KiB; a longer one reads as holes alone.
_ONE_BLOCK = 64 * 1024


def is_unchanged(node: Node) -> bool:
    """True when the name still is the file that was looked at, untouched since."""
    assert node.found is not None and node.status is not None
    try:
        return same_state(node.status, node.found.parent.status(node.found.name))
    except OSError:
        return False


def may_be_hollow(entry: Entry) -> bool:
    """True when all the content is zeros, as it is when a file with attributes only was read."""
    if not entry.size:
        return False
    if isinstance(entry.content, bytes):
        return not any(entry.content)
    return all(ref.is_hole for ref in entry.content.refs) or (
        entry.size <= _ONE_BLOCK and entry.digest == _zeros(entry.size)
    )


def read_again(opened: OpenedLayer, writer: ContentWriter, path: bytes) -> Entry:
    """The entry at `path` as it is now, for one whose first reading cannot be trusted; Busy, LocalIOError."""
    for _ in range(ATTEMPTS):
        node = opened.scan().node(path)
        if node is None or node.kind is not Kind.FILE:
            break
        if node.found is None or not node.needs_reading:
            return node.as_entry()
        try:
            entry = scan_entry(writer, b"/proc/self/fd/%d/%s" % (node.found.parent.fd, node.found.name), path)
        except LocalIOError:
            continue
        if is_unchanged(node):
            return entry
    raise Busy(f"{printable(path)}: was moved or replaced while it was read")


@lru_cache(maxsize=256)
def _zeros(size: int) -> Digest:
    return digest_of(bytes(size))
