"""A program that waits for a store that hangs: it can be ended at once, and other signals do it no harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from vfsd.shim import SHIM

Vfs = Callable[..., Any]
CONTENT = Random(3).randbytes(3 << 20)
# Reads past the page cache, so that the kernel waits for this very request.
READER = """
import mmap, os, signal, sys
def ended(*_): print("ended", flush=True); os._exit(3)
signal.signal(signal.SIGTERM, ended)
signal.signal(signal.SIGUSR1, lambda *_: None)
file = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT)
buffer = mmap.mmap(-1, 65536)
print("reading", flush=True)
got = os.preadv(file, [buffer], 0)
sys.stdout.buffer.write(buffer[:got])
"""


@pytest.fixture
def hanging(vfs: Vfs, isolated: Path, mountpoint: Path) -> Iterator[tuple[Path, Callable[[int], None]]]:
    """A mount whose store is stopped (SIGSTOP) and continued (SIGCONT) by the function: another mount shows it."""
    source = isolated / "source"
    source.mkdir()
    (source / "big").write_bytes(CONTENT)
    vfs("init")
    vfs("repo", "create", "data")
    vfs("put", "data", f"{source}/")
    outer = {"VFS_STORE": f"file://{isolated}/outer"}
    for words in (["init"], ["repo", "create", "stores"], ["put", "stores", f"{isolated}/store/"]):
        vfs(*words, env=outer)
    stores = isolated / "stores"
    stores.mkdir()
    vfs("mount", "stores", stores, env=outer)
    (pid,) = [int(line.split()[3]) for line in vfs("mounts").stdout.decode().splitlines()[1:]]
    vfs("mount", "data", mountpoint, env={"VFS_STORE": f"file://{stores}", "VFS_TIMEOUT": "60"})
    yield mountpoint, lambda number: os.kill(pid, number)
    os.kill(pid, signal.SIGCONT)
    vfs("umount", mountpoint)
    vfs("umount", stores)


def reading(path: Path) -> subprocess.Popen[bytes]:
    """A process that waits in a read of `path`."""
    reader = subprocess.Popen([sys.executable, "-c", READER, path], stdout=subprocess.PIPE)
    assert reader.stdout is not None
    assert reader.stdout.readline() == b"reading\n"
    time.sleep(0.3)
    assert reader.poll() is None
    return reader


@pytest.mark.skipif(bool(SHIM.missing), reason=f"the shim is not there: {SHIM.missing}")
def test_a_program_that_is_asked_to_end_ends_at_once(hanging: tuple[Path, Callable[[int], None]]) -> None:
    point, store = hanging
    store(signal.SIGSTOP)
    reader = reading(point / "big")
    started = time.monotonic()
    reader.send_signal(signal.SIGTERM)
    assert reader.communicate(timeout=20)[0] == b"ended\n"
    assert time.monotonic() - started < 3
    killed = reading(point / "big")
    started = time.monotonic()
    killed.kill()
    killed.communicate(timeout=20)
    assert killed.returncode == -signal.SIGKILL
    assert time.monotonic() - started < 3


def test_a_signal_that_ends_nothing_leaves_the_read_alone(hanging: tuple[Path, Callable[[int], None]]) -> None:
    point, store = hanging
    store(signal.SIGSTOP)
    reader = reading(point / "big")
    for _ in range(5):
        reader.send_signal(signal.SIGUSR1)
        time.sleep(0.05)
    store(signal.SIGCONT)
    assert reader.communicate(timeout=30)[0] == CONTENT[:65536]
    assert reader.returncode == 0
