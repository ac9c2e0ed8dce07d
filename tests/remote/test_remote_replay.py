"""A run whose command ran before finds what it reads next in memory, in the order in which it was read then."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.faultproxy import Exchange, FaultProxy, fault_proxy, passed
from support.radosgw import Radosgw

FILES, SIZE, LARGE = 400, 60_000, 3
# Seconds to the store and back.
LATENCY = 0.03
# Reads all files in an order that depends on a seed and says how many of them had to be waited for.
PROGRAM = """
import hashlib, os, random, sys, time
paths = sorted(os.path.join(where, name) for where, _, names in os.walk("/pfs/data") for name in names)
random.Random(sys.argv[1]).shuffle(paths)
sums, waits = hashlib.sha256(), 0
for path in paths:
    began = time.monotonic()
    with open(path, "rb") as file:
        content = file.read()
    waits += time.monotonic() - began > 0.02
    sums.update(path.encode() + hashlib.sha256(content).digest())
    time.sleep(0.002)
print(waits)
with open(os.environ["VFS_OUT"] + "/sum", "w") as out:
    out.write(sums.hexdigest())
"""

pytestmark = pytest.mark.mount


@pytest.fixture
def far(bucket: str, radosgw: Radosgw, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """The way to the store, which takes a while."""

    def late(exchange: Exchange) -> None:
        time.sleep(LATENCY)
        passed(exchange)

    with fault_proxy(radosgw.port) as proxy:
        proxy.rule = late
        monkeypatch.setenv("VFS_S3_ENDPOINT", proxy.endpoint)
        yield proxy


@pytest.fixture
def program(far: FaultProxy, vfs: Callable[..., Any], isolated: Path) -> Path:
    """A program, and the repo `data` that it reads."""
    source = isolated / "source"
    for number in range(FILES):
        path = source / f"{number % 8}" / f"{number:04}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Random(number).randbytes(SIZE + number))
    for number in range(LARGE):
        (source / f"large{number}.bin").write_bytes(Random(-1 - number).randbytes(5 << 20))
    vfs("init")
    vfs("repo", "create", "data")
    vfs("put", "data", f"{source}/")
    path = isolated / "read.py"
    path.write_text(PROGRAM)
    return path


@pytest.fixture
def cold_run(far: FaultProxy, vfs: Callable[..., Any], isolated: Path) -> Callable[..., tuple[int, int, bytes]]:
    """Run a command with nothing cached: (files waited for, requests for ranges, what it made of the content)."""

    def run(*command: str | Path) -> tuple[int, int, bytes]:
        shutil.rmtree(isolated / "cache", ignore_errors=True)
        far.heads.clear()
        done = vfs("run", "-i", "data", "-o", "sums", "--", *command)
        ranges = sum("\r\nrange: " in head.lower() for head in far.heads)
        return int(done.stdout), ranges, vfs("cat", "sums:sum").stdout

    return run


def test_the_second_run_of_a_command_waits_less(program: Path, cold_run: Callable[..., tuple[int, int, bytes]]) -> None:
    first = cold_run("python3", program, "1")
    second = cold_run("python3", program, "1")
    assert second[2] == first[2]
    assert first[0] >= 20
    assert second[0] <= first[0] // 3
    assert second[1] <= 0.75 * first[1]


def test_another_order_does_no_harm(program: Path, cold_run: Callable[..., tuple[int, int, bytes]]) -> None:
    """The order depends on what is in the program's file, not on its command: what is foreseen is wrong."""
    first = cold_run("python3", program, "1")
    program.write_text(PROGRAM.replace("sys.argv[1]", "sys.argv[1] + 'x'"))
    second = cold_run("python3", program, "1")
    assert second[0] <= first[0] + 20
    assert second[1] <= 1.5 * first[1] + 10
    other = cold_run("python3", program, "2")
    assert len({first[2], second[2], other[2]}) == 3
