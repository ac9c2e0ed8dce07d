"""From an OSError to the error tree, for modules that work on local files."""

from __future__ import annotations

import errno
import os

from vfs.errors import LocalDenied, LocalFull, LocalIOError

DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def cause_of(error: OSError) -> str:
    """What the system says about `error`, in lower case, without path and number."""
    text = error.strerror or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]


def local_error(path: str | bytes | os.PathLike[str], doing: str, error: OSError) -> LocalIOError:
    """The error for a call that failed on `path`; `doing` completes "cannot be …" (written, read, locked)."""
    message = f"{os.fsdecode(path)}: cannot be {doing}: {cause_of(error)}"
    if error.errno in DENIED:
        return LocalDenied(message)
    if error.errno in FULL:
        return LocalFull(message)
    return LocalIOError(message)
