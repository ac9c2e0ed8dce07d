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
    """Draws what a `Progress` is told. Fed from one thread; rich redraws from its own, ten times a second."""

    def __init__(self, drawn: RichProgress, task: TaskID) -> None:
        self._drawn = drawn
        self._task = task
        self._files = 0

    def start(self, total_bytes: int | None) -> None:
        """So many bytes in all; unknown with None."""
        self._drawn.update(self._task, total=total_bytes)

    def advance(self, bytes: int, files: int) -> None:
        """So many more bytes and files are done."""
        self._files += files
        self._drawn.update(self._task, advance=bytes, files=self._files)


@contextmanager
def shown(title: str) -> Iterator[Progress]:
    """A progress for one long piece of work, gone from the terminal when it is done."""
    if not sys.stderr.isatty():
        from vfs.repo.progress import NoProgress

        yield NoProgress()
        return
    with _rich() as drawn:
        yield _Bar(drawn, drawn.add_task(title, total=None, files=0))


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
