"""Which files of a layer programs have open for writing, whoever and wherever they are.

The kernel grants a read lease on a file only while nobody has it open for writing, through any mount, namespace
or mapping; so a lease is asked for on the file in the upper layer and given back at once.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from collections.abc import Iterator

from vfs.errors import Busy
from vfs.files.translate import local_error
from vfs.model.names import printable
from vfs.repo.library import Library
from vfs.workspace.layer import Layer
from vfs.workspace.node import Node
from vfs.workspace.opened import OpenedLayer

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# From <linux/fcntl.h>; the module has no name for it.
_F_SETSIG = 10
_PAUSE = 0.1
_NAMED = 3


def wait_for_writers(library: Library, layer: Layer, seconds: float) -> None:
    """Return when no program has a file of the layer open for writing; Busy, naming files, after `seconds`.

    A commit should ask for its record only afterwards: what the programs read meanwhile belongs there.
    """
    with layer.reachable():
        _wait(OpenedLayer(library, layer), seconds)


def _wait(opened: OpenedLayer, seconds: float) -> None:
    end = time.monotonic() + seconds
    while busy := list(_written(opened)):
        if time.monotonic() >= end:
            named = ", ".join(printable(path) for path in busy[:_NAMED])
            more = f" and {len(busy) - _NAMED} more" if len(busy) > _NAMED else ""
            raise Busy(f"{named}{more}: still open for writing after {seconds:g} s; nothing was committed")
        time.sleep(min(_PAUSE, max(0.0, end - time.monotonic())))


def _written(opened: OpenedLayer) -> Iterator[bytes]:
    for seen in opened.scan().walk():
        node = seen.node
        if node is not None and node.found is not None and node.needs_reading and is_written(node):
            yield node.found.shown


def is_written(node: Node) -> bool:
    """True while a program has the file open for writing; False for one that is gone. LocalIOError."""
    assert node.found is not None
    try:
        fd = os.open(node.found.name, _OPEN, dir_fd=node.found.parent.fd)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise local_error(node.found.shown, "read", error) from error
    try:
        # A program that opens the file in this moment is held up until the lease is gone, and the kernel says so by
        # a signal: one that is ignored unless asked for.
        fcntl.fcntl(fd, _F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return True
        raise local_error(node.found.shown, "asked for writers", error) from error
    finally:
        os.close(fd)
    return False
