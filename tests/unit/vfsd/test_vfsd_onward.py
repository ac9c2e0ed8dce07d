"""The next page of a listing is in memory before the listing gets there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import trio.testing

from vfs.errors import VfsError
from vfs.model.commit import StoredCommit
from vfs.repo.library import Library
from vfsd.filesystem import FileSystem
from vfsd.lines import Lines
from vfsd.node import ROOT
from vfsd.onward import Onward, Page
from vfsd.patience import Patience, WouldWait
from vfsd.threads import Threads

ShowCommit = Callable[..., FileSystem]
Put = Callable[..., StoredCommit]
LINKS = 3000


@pytest.fixture
def stored(source: Path, put_source: Put) -> StoredCommit:
    """Names enough for several pages."""
    for number in range(LINKS):
        os.symlink("x", source / f"{number:06}")
    return put_source()


def first_lines(files: FileSystem) -> tuple[Lines, int]:
    """The first page of the root, and the cookie at its end."""
    lines = files.listing(ROOT, 2)
    assert isinstance(lines, Lines) and 0 < len(lines) < LINKS and lines.end == lines[-1].cookie
    return lines, lines.end


def onward_of(files: FileSystem) -> Onward[int]:
    """What makes pages whose attributes are inodes."""

    def make(inode: int, cookie: int) -> Page[int]:
        lines = files.listing(inode, cookie)
        assert isinstance(lines, Lines)
        return Page([(line.name, line.node.inode, line.cookie) for line in lines], lines.end)

    return Onward(make, Threads(1), deadline=10.0)


async def test_what_comes_next_is_made_ready(
    stored: StoredCommit, show_commit: ShowCommit, patience: Patience
) -> None:
    files = show_commit(stored)
    lines, end = first_lines(files)
    onward = onward_of(files)
    patience.hurry_this_thread()
    with pytest.raises(WouldWait):
        files.listing(ROOT, end)
    assert await onward.take(ROOT, end) is None
    for _ in range(3):
        onward.fetch(ROOT, end)
    names, cookie = len(lines), end
    while (page := await onward.take(ROOT, cookie)) is not None:
        assert page.lines[0] == (b"%06d" % names, names + 2, cookie + 1)
        names, cookie = names + len(page), page.lines[-1][2]
        assert page.end in (cookie, None)
        await trio.testing.wait_all_tasks_blocked()
        onward.fetch(ROOT, page.end)
    assert names == LINKS
    assert await onward.take(ROOT, end) is None


async def test_no_more_is_made_ready_than_is_wanted(
    stored: StoredCommit, show_commit: ShowCommit, patience: Patience
) -> None:
    files = show_commit(stored)
    _, end = first_lines(files)
    onward = onward_of(files)
    onward.fetch(ROOT, end, 1)
    first = await onward.take(ROOT, end)
    assert first is not None and first.end is not None
    assert await onward.take(ROOT, first.end) is None
    onward.fetch(ROOT, None)


async def test_what_cannot_be_made_ready_is_left_to_the_reader(
    stored: StoredCommit, show_commit: ShowCommit, patience: Patience, library: Library
) -> None:
    files = show_commit(stored)
    _, end = first_lines(files)
    for pack in Path(library.settings.store.removeprefix("file://")).glob("packs/*/*"):
        pack.chmod(0o600)
        os.truncate(pack, 10)
    onward = onward_of(files)
    onward.fetch(ROOT, end)
    assert await onward.take(ROOT, end) is None
    with pytest.raises(VfsError):
        files.listing(ROOT, end)


def test_the_columns_are_the_lines(stored: StoredCommit, show_commit: ShowCommit) -> None:
    cookie, found = 2, 0
    files = show_commit(stored)
    while lines := files.listing(ROOT, cookie):
        assert isinstance(lines, Lines)
        for line, column in zip(lines, lines.columns(), strict=True):
            entry = line.node.entry
            assert column[:3] == (line.cookie, line.name, line.node.inode)
            assert column[3:] == (0o120000 | entry.mode, entry.size, 0, entry.mtime_ns)
        cookie, found = lines[-1].cookie, found + len(lines)
        assert [line.cookie for line in lines[-3:]] == [cookie - 2, cookie - 1, cookie]
        assert lines.end in (cookie, None)
    assert found == LINKS
