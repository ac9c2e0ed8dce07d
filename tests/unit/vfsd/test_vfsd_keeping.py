"""What the daemon keeps in memory and on disk stays within bounds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vfs.errors import PathNotFound, StoreTimeout
from vfs.model.entry import BlobRef, ChunkList, Entry, Kind
from vfsd.entries import Entries
from vfsd.node import NAMED, ROW_BITS, TREES_MAX
from vfsd.space import Space
from vfsd.troubles import Troubles

REF = BlobRef(b"d" * 32, 10, b"p" * 16, 0, 10)


def entry(name: str, refs: int = 0) -> Entry:
    content = ChunkList((REF,) * refs) if refs else b""
    return Entry(path=name.encode(), kind=Kind.FILE, mode=0o644, mtime_ns=0, size=10 * refs, content=content)


def test_entries_used_last_are_kept() -> None:
    entries = Entries(limit=10)
    for number in range(8):
        entries.keep(number, entry(str(number)))
    assert entries.get(0) == entry("0")
    entries.keep(100, entry("long", refs=5))
    assert [entries.get(number) is not None for number in range(8)] == [True, *[False] * 4, True, True, True]
    entries.keep(101, entry("longer", refs=50))
    assert entries.get(101) is not None and entries.get(0) is None


def test_numbers_keep_their_meaning_and_stay_below_what_overlayfs_needs() -> None:
    assert (TREES_MAX << ROW_BITS) - 1 < NAMED < 1 << 56
    with pytest.raises(PathNotFound, match="inode 99: not of this mount"):
        Space().part(99)


@pytest.mark.expects_warnings("read: ")
def test_troubles_are_bounded_counted_and_said_once_a_minute() -> None:
    troubles = Troubles()
    for number in range(200):
        troubles.note_error("read", StoreTimeout(f"pack {number % 100}: no answer"))
    newest = troubles.newest_first()
    assert len(newest) == 50
    assert newest[0].what == "read: pack 99: no answer"
    troubles.note_error("read", StoreTimeout("pack 99: no answer"))
    assert troubles.newest_first()[0].count == newest[0].count + 1
    assert troubles.note_error("lookup", PathNotFound("x: no such path")) == PathNotFound.errno
    assert len(troubles.newest_first()) == 50


WRITE_LOG = """
import logging, os, sys
import structlog
from vfsd import logs
logs._LOG_MAX = 20_000
path = sys.argv[1]
fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
os.dup2(fd, 1); os.dup2(fd, 2)
logs.set_up_logging(path)
log = structlog.get_logger("vfsd")
for number in range(1000):
    log.warning("something", number=number, name=b"\\xff", text="\\udcff")
logging.getLogger("pyfuse3").error("reply failed: %s", "why")
try:
    1 / 0
except ZeroDivisionError as error:
    log.error("bug", exc_info=error)
os.write(2, b"from C\\n")
"""


def test_the_log_is_lines_of_json_of_bounded_size(tmp_path: Path) -> None:
    path = tmp_path / "vfsd.log"
    done = subprocess.run([sys.executable, "-c", WRITE_LOG, path], capture_output=True, timeout=30, check=True)
    assert done.stdout == done.stderr == b""
    assert sorted(os.listdir(tmp_path)) == ["vfsd.log", "vfsd.log.1"]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 120_000
    *lines, last = path.read_bytes().splitlines()
    assert last == b"from C"
    records = [json.loads(line) for line in lines]
    assert records[-1]["event"] == "bug" and "ZeroDivisionError" in records[-1]["exception"]
    assert (records[-2]["event"], records[-2]["level"]) == ("reply failed: why", "error")
    assert {"number", "timestamp", "level", "event"} <= set(records[0])
    assert path.stat().st_mode & 0o777 == 0o600
