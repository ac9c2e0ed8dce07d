"""A crate on disk: a directory or a zip archive with the metadata, and the audit report as its preview."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from vfs.files.atomic import write_atomic
from vfs.files.translate import local_error
from vfs.journal.graph import Graph
from vfs.journal.render.about import About
from vfs.journal.render.formats import encoded
from vfs.journal.render.report import render_html
from vfs.journal.render.rocrate import METADATA, PREVIEW, rocrate_pieces


def crate_files(graph: Graph, about: About, *, full: bool = False) -> dict[str, bytearray]:
    """The files of the crate by name."""
    return {
        METADATA: encoded(rocrate_pieces(graph, full=full)),
        PREVIEW: encoded([render_html(graph, about=about, full=full)]),
    }


def write_crate(place: Path, files: Mapping[str, bytes | bytearray], *, mode: int) -> None:
    """Write the files into a directory, which is made, or as one archive when `place` ends in `.zip`.

    LocalIOError and its kin. Each file is whole or absent; the metadata, which makes it a crate, comes last.
    """
    if place.suffix.lower() == ".zip" and not place.is_dir():
        write_atomic(place, _archive(files), mode=mode)
        return
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise local_error(place, "made", error) from error
    for name, data in sorted(files.items(), reverse=True):
        write_atomic(place / name, data, mode=mode)


def _archive(files: Mapping[str, bytes | bytearray]) -> bytes:
    """The archive; times are left at the format's first day, so that equal crates are equal bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return made.getvalue()
