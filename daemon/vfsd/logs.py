"""The daemon's log: one JSON object per line, to a file of bounded size or to stderr."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import TextIO

import structlog

# Two files of this size hold months of an ordinary mount, and the last hours of a bad one.
_LOG_MAX = 8 << 20
# How many lines between two looks at the size.
_LOOK_EVERY = 200


class LogFile:
    """Standard output and error of a detached daemon: the file `path`, of which one older part is kept.

    Both descriptors point to it, so that what C libraries and a dying interpreter print lands there, too.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lines = 0

    def write(self, text: str) -> int:
        """Append `text`; a full disk costs the line, not the mount."""
        self._lines += 1
        if self._lines % _LOOK_EVERY == 0:
            with contextlib.suppress(OSError):
                self._rotate()
        with contextlib.suppress(OSError):
            os.write(2, text.encode("utf-8", "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def _rotate(self) -> None:
        if os.fstat(2).st_size < _LOG_MAX:
            return
        os.rename(self._path, self._path + ".1")
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        for standard in (1, 2):
            os.dup2(fd, standard)
        os.close(fd)


class LineLogger:
    """Where structlog leaves its finished lines."""

    def __init__(self, out: LogFile | TextIO) -> None:
        self._out = out

    def msg(self, message: str) -> None:
        """Write one line."""
        self._out.write(message + "\n")
        self._out.flush()

    debug = info = warning = error = critical = exception = msg


def set_up_logging(path: str | None) -> None:
    """Log to `path`, or to stderr when None. Libraries that use `logging` are heard from warnings on."""
    out: LogFile | TextIO = sys.stderr if path is None else LogFile(path)
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*processors, structlog.processors.JSONRenderer()],
        logger_factory=lambda *_: LineLogger(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
