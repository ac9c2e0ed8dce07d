"""Paths as the kernel has them."""

from __future__ import annotations

import os
from typing import AnyStr

from vfs.errors import LocalIOError


def real_path(path: AnyStr) -> AnyStr:
    """`path` absolute and free of symlinks; it need not exist. LocalIOError where there is no working directory."""
    try:
        return os.path.realpath(path)
    except FileNotFoundError as error:
        raise LocalIOError(f"{os.fsdecode(path)}: cannot be found: the working directory is gone") from error
