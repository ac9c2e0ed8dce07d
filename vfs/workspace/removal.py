"""Removing a directory of any depth and with any permissions, as upper layers have them."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from vfs.files.translate import local_error


def remove_tree(top: Path) -> None:
    """Remove the directory `top` and all in it; what is gone already is no error. LocalIOError otherwise.

    Directories found below are first moved beside `top`'s own entries, so neither the depth of the tree nor
    the length of its paths matters. overlayfs leaves directories without any permission bit in `work`.
    """
    base = os.fsencode(top)
    queue = [base]
    try:
        while queue:
            directory = queue.pop()
            _empty(directory, base, queue)
            if directory != base:
                os.rmdir(directory)
        os.rmdir(base)
    except FileNotFoundError:
        return
    except OSError as error:
        raise local_error(error.filename or top, "removed", error) from error


def _empty(directory: bytes, base: bytes, queue: list[bytes]) -> None:
    os.chmod(directory, stat.S_IRWXU)
    with os.scandir(directory) as entries:
        found = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for path, is_directory in found:
        if not is_directory:
            os.unlink(path)
        elif directory == base:
            queue.append(path)
        else:
            os.chmod(path, stat.S_IRWXU)
            moved = os.path.join(base, secrets.token_hex(8).encode())
            os.rename(path, moved)
            queue.append(moved)
