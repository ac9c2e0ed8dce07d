"""Large ranges go past the page cache; whatever the offset, length and file system, the bytes are there."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from random import Random

import pytest

from vfs.files.direct import ALIGNED, PIECE, DirectWriter


@pytest.mark.parametrize("offset", [0, 1, ALIGNED - 1, ALIGNED, 5 * ALIGNED + 17])
@pytest.mark.parametrize("length", [0, 1, ALIGNED, PIECE // 4 + ALIGNED, PIECE + 3, 2 * PIECE + 5 * ALIGNED + 1])
def test_every_byte_is_written_where_it_belongs(tmp_path: Path, offset: int, length: int) -> None:
    data = Random(length).randbytes(length)
    before = bytes([7]) * (offset + length + 100)
    (tmp_path / "file").write_bytes(before)
    fd = os.open(tmp_path / "file", os.O_RDWR)
    DirectWriter().write(fd, memoryview(data), offset)
    os.close(fd)
    assert (tmp_path / "file").read_bytes() == before[:offset] + data + before[offset + length :]


def test_ranges_that_were_written_as_ever_and_directly_lie_side_by_side(tmp_path: Path) -> None:
    random, writer = Random(3), DirectWriter()
    model = bytearray(6 * PIECE)
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    os.truncate(fd, len(model))
    for _ in range(40):
        start = random.randrange(len(model))
        data = random.randbytes(min(random.choice([100, 70_000, PIECE, PIECE * 2]), len(model) - start))
        writer.write(fd, memoryview(data), start)
        model[start : start + len(data)] = data
        at = random.randrange(len(model))
        assert os.pread(fd, 50_000, at) == model[at : at + 50_000]
    os.close(fd)
    assert (tmp_path / "file").read_bytes() == model


def test_where_it_is_refused_it_is_written_as_ever() -> None:
    """A file in memory has no disk to go to directly; some kernels refuse it, others do as if."""
    fd = os.memfd_create("file")
    data = os.urandom(2 * PIECE)
    writer = DirectWriter()
    for _ in range(2):
        writer.write(fd, memoryview(data), 5)
        assert os.pread(fd, len(data), 5) == data
    os.close(fd)


@pytest.mark.root
def test_a_full_disk_says_so(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError) as caught:
        DirectWriter().write(full, memoryview(os.urandom(PIECE)), 0)
    assert caught.value.errno == errno.ENOSPC
    os.close(full)
