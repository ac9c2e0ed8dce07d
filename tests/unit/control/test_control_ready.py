"""What is heard on the pipe of a daemon that starts."""

from __future__ import annotations

import os

import pytest

from vfs.control.ready import Ready, announce, await_ready, raise_unless_ready
from vfs.errors import DaemonError, StoreMissing


def test_good_news() -> None:
    reader, writer = os.pipe()
    assert announce(writer) is True
    said = await_ready(reader, timeout=5)
    os.close(reader)
    assert said == Ready()
    raise_unless_ready(said)


def test_bad_news_keep_their_class() -> None:
    reader, writer = os.pipe()
    announce(writer, StoreMissing("file:///x: no such directory"))
    said = await_ready(reader, timeout=5)
    os.close(reader)
    assert said is not None
    with pytest.raises(StoreMissing, match=r"^file:///x: no such directory$"):
        raise_unless_ready(said)


def test_no_news() -> None:
    reader, writer = os.pipe()
    with pytest.raises(DaemonError, match=r"not ready after 0\.05 s"):
        await_ready(reader, timeout=0.05)
    os.close(writer)
    assert await_ready(reader, timeout=5) is None
    os.close(reader)


def test_junk() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"Traceback\n")
    os.close(writer)
    with pytest.raises(DaemonError, match="not understood"):
        await_ready(reader, timeout=5)
    os.close(reader)


def test_nobody_listens() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    assert announce(writer) is False
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.close(writer)
