"""What a run wrote, as a tree: read after its command ended, when nobody writes there any more."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec

from vfs.content.writer import ContentWriter
from vfs.errors import Refused
from vfs.model.entry import Entry, Kind
from vfs.model.record import Output
from vfs.repo.guard import Guard
from vfs.repo.ingest import ingest
from vfs.repo.library import Library
from vfs.repo.notes import Notes
from vfs.repo.progress import Progress
from vfs.repo.sources import Source, found_below, start
from vfs.repo.walk import Walk
from vfs.tree.build import build
from vfs.tree.writer import Root

_FAILURES_NAMED = 10

Wrote: TypeAlias = Callable[[int, int], tuple[int, int]]


class Written(msgspec.Struct, frozen=True):
    """The tree of an output directory, its paths and digests, and whole lines about what was skipped or stripped."""

    root: Root
    outputs: tuple[Output, ...]
    warnings: tuple[str, ...]


def read_output(
    library: Library, writer: ContentWriter, out: Path, *, progress: Progress, wrote: Wrote | None = None
) -> Written:
    """Put all that is in the directory `out` into `writer`. Refused, naming files, when some cannot be read.

    `wrote` tells by device and inode which process wrote a file last, and when, as `Output` has them.
    """
    notes, outputs = Notes(), list[Output]()
    progress.start(None)
    found = found_below([start(Source(os.fsencode(out), contents=True), b"")], Walk(notes, Guard({})))
    entries = ingest(writer, found, notes=notes, progress=progress, jobs=library.settings.jobs)
    root = build(writer, (_noted(entry, outputs, out, wrote) for entry in entries))
    if notes.failures:
        named = "; ".join(str(failure) for failure in notes.failures[:_FAILURES_NAMED])
        more = len(notes.failures) - _FAILURES_NAMED
        raise Refused(f"{named}{f' and {more} more' if more > 0 else ''}; nothing was committed")
    return Written(root, tuple(outputs), notes.warnings())


def _noted(entry: Entry, outputs: list[Output], out: Path, wrote: Wrote | None) -> Entry:
    if entry.path:
        writer, at = _written_by(os.path.join(os.fsencode(out), entry.path), entry, wrote)
        outputs.append(Output(entry.path, entry.digest, writer, at))
    return entry


def _written_by(path: bytes, entry: Entry, wrote: Wrote | None) -> tuple[int, int]:
    """Who wrote the file, which nobody changes any more."""
    if wrote is None or entry.kind is not Kind.FILE:
        return 0, 0
    try:
        found = os.lstat(path)
    except OSError:
        return 0, 0
    return wrote(found.st_dev, found.st_ino)
