"""Files that appear whole or not at all, and survive power loss once the call returned.

Order of the durable steps: write a temporary file in the same directory, fsync it, rename (or link) it
to its name, fsync the directory. A crash between any two of them leaves the old state and at most one
temporary file, recognised by `TEMP_PREFIX`.
"""

from __future__ import annotations

import contextlib
import os

from vfs.errors import AlreadyExists
from vfs.files.translate import local_error

# A fixed-length name of its own, so that targets of up to 255 bytes have temporaries too.
TEMP_PREFIX = ".tmp-"

Path = str | os.PathLike[str]


def fsync_dir(path: Path) -> None:
    """Make the names in the directory `path` durable; LocalIOError when that fails."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise local_error(path, "made durable", error) from error


def write_atomic(
    path: Path, data: bytes | bytearray | memoryview, *, mode: int = 0o600, exclusive: bool = False
) -> None:
    """Make `data` the content of the file `path`, durably; `mode` is cut by the umask.

    With `exclusive` an existing file is left alone: AlreadyExists. Other errors: LocalDenied,
    LocalFull, LocalIOError; the temporary file is removed.
    """
    directory = os.path.dirname(os.fspath(path)) or "."
    temp = os.path.join(directory, TEMP_PREFIX + os.urandom(8).hex())
    try:
        _write_durably(temp, data, mode)
        _give_name(temp, path, exclusive)
    except FileExistsError as error:
        _drop(temp)
        raise AlreadyExists(f"{os.fsdecode(path)}: exists already") from error
    except OSError as error:
        _drop(temp)
        raise local_error(path, "written", error) from error
    except BaseException:
        _drop(temp)
        raise
    fsync_dir(directory)


def _write_durably(temp: str, data: bytes | bytearray | memoryview, mode: int) -> None:
    fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def _give_name(temp: str, path: Path, exclusive: bool) -> None:
    if exclusive:
        os.link(temp, path)
        os.unlink(temp)
    else:
        os.rename(temp, path)


def _drop(temp: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(temp)
