"""A file that a user names for what a command makes."""

from __future__ import annotations

import os
import stat

from vfs.files.atomic import write_atomic
from vfs.files.translate import local_error


def write_file(path: str, data: bytes | bytearray, *, mode: int) -> bool:
    """Write `data`, whole or not at all; `mode` for a new file. True when it is a file now.

    What is there and no file (/dev/null, a terminal, a pipe) is written into and never replaced. LocalIOError and
    its kin.
    """
    if not _is_device(path):
        write_atomic(path, data, mode=mode)
        return True
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        raise local_error(path, "written", error) from error
    return False


def _is_device(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
