"""Progress on standard error while a command works for long, and only when that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from vfs.repo.progress import Progress


class _Bar:
    """Draws what a `Progress` is told. Fed from one thread; rich redraws from its own, ten times a second.

    Nothing is drawn before `start`: until then the terminal may belong to a command that is being run.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._files = 0
        self._drawn: RichProgress | None = None
        self._task: TaskID | None = None

    def start(self, total_bytes: int | None) -> None:
        """So many bytes in all; unknown with None."""
        if self._drawn is None:
            self._drawn = _rich()
            self._task = self._drawn.add_task(self._title, total=None, files=0)
            self._drawn.start()
        if self._task is not None:
            self._drawn.update(self._task, total=total_bytes)

    def advance(self, bytes: int, files: int) -> None:
        """So many more bytes and files are done."""
        self._files += files
        if self._drawn is not None and self._task is not None:
            self._drawn.update(self._task, advance=bytes, files=self._files)

    def end(self) -> None:
        """Take the bar away."""
        if self._drawn is not None:
            self._drawn.stop()


@contextmanager
def shown(title: str) -> Iterator[Progress]:
    """A progress for one long piece of work, gone from the terminal when it is done."""
    if not sys.stderr.isatty():
        from vfs.repo.progress import NoProgress

        yield NoProgress()
        return
    bar = _Bar(title)
    try:
        yield bar
    finally:
        bar.end()


def _rich() -> RichProgress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TextColumn("{task.fields[files]} files"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
