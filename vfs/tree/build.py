"""A tree from all of its entries."""

from __future__ import annotations

from collections.abc import Iterable

from vfs.model.entry import Entry
from vfs.tree.pages import PageSink
from vfs.tree.writer import Root, TreeWriter


def build(sink: PageSink, entries: Iterable[Entry]) -> Root:
    """The tree of `entries`, which come in key order, the root first."""
    writer = TreeWriter(sink)
    for entry in entries:
        writer.add(entry)
    return writer.finish()
