"""Load made by others' tools: stress-ng's calls on files and directories, fio with every block verified."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from stress import manyfiles
from stress.listing import differences, listing
from stress.place import Place

pytestmark = [pytest.mark.mount, pytest.mark.root, pytest.mark.timeout(900)]

Shell = Callable[..., str]
SECONDS = int(os.environ.get("STRESS_SECONDS", 5))

# Of stress-ng's classes `filesystem` and `io`, those that work below the directory they are given.
STRESSORS = [
    "access", "chdir", "chmod", "copy-file", "dentry", "dir", "dirdeep", "dirmany", "dup", "eventfd", "fallocate",
    "fcntl", "fiemap", "file-ioctl", "filename", "flock", "fpunch", "fstat", "getdent", "hdd", "iomix", "lease",
    "link", "locka", "lockf", "lockofd", "open", "readahead", "rename", "seek", "symlink", "sync-file",
    "touch", "utime", "verity", "xattr",
]  # fmt: skip
FIO = """\
[global]
size=64m
ioengine={engine}
verify=crc32c
verify_fatal=1
do_verify=1
end_fsync=1
randseed=7
[{name}]
rw={way}
bsrange=1k-256k
"""


@pytest.mark.skipif(shutil.which("stress-ng") is None, reason="stress-ng is not installed")
@pytest.mark.parametrize("stressor", STRESSORS)
def test_stress_ng(stressor: str, place: Place, shell: Shell) -> None:
    place.begin(lambda top: manyfiles.populate(top, 1, 20))
    words = f"stress-ng --{stressor} 2 --verify --timeout {SECONDS}s --temp-path {place.mount}"
    shell(words, cwd=place.directory, timeout=SECONDS + 120)
    # What leaves nothing behind but the mtime of its directory makes no commit.
    (place.mount / "stressed").write_text(stressor)
    shown = listing(place.mount)
    assert differences(shown, listing(place.fresh())) == []


@pytest.mark.skipif(shutil.which("fio") is None, reason="fio is not installed")
@pytest.mark.parametrize("engine", ["psync", "mmap", "libaio"])
@pytest.mark.parametrize("way", ["write", "randwrite", "randrw"])
def test_fio_reads_back_every_block_it_wrote(engine: str, way: str, place: Place, shell: Shell) -> None:
    place.begin(lambda top: manyfiles.populate(top, 1, 20))
    description: Path = place.directory / "jobs"
    description.write_text(FIO.format(engine=engine, way=way, name="file"))
    shell(f"fio --output-format=terse {description}", cwd=place.mount, timeout=300)
    assert differences(listing(place.mount), listing(place.fresh())) == []
