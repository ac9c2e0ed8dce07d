"""`make demo`: it ends well, it cleans up, and it also cleans up when it is interrupted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "packaging" / "demo.sh"

pytestmark = [
    pytest.mark.mount,
    pytest.mark.timeout(540),
    pytest.mark.skipif(not (ROOT / ".venv" / "demo").is_dir(), reason="not set up: packaging/setup.sh demo"),
]


@pytest.fixture
def demo(public_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """The demo, running in a session of its own; it has ended when the test has."""
    process = subprocess.Popen(
        [str(DEMO)],
        env={**os.environ, "TMPDIR": str(public_dir)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def nothing_left(place: Path) -> None:
    assert list(place.iterdir()) == []
    assert str(place) not in Path("/proc/self/mountinfo").read_text()
    serving = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if str(place).encode() in _read(path) and b"vfsd" in _read(path)
    ]
    assert serving == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_the_demo_holds_all_its_checks_and_leaves_a_picture(public_dir: Path, demo: subprocess.Popen[str]) -> None:
    begin = time.monotonic()
    said, _ = demo.communicate(timeout=500)
    took = time.monotonic() - begin
    assert demo.returncode == 0, said[-4000:]
    last = said.strip().splitlines()[-1]
    found = re.fullmatch(r"demo: (\d+) checks hold, \d+ s", last)
    assert found, last
    assert int(found[1]) >= 12
    for word in ("$ vfs put", "$ vfs mount", "$ vfs run", "$ vfs lineage", "$ vfs verify", "$ vfs umount"):
        assert word in said
    assert "<svg" in (ROOT / ".demo" / "lineage.svg").read_text()
    nothing_left(public_dir)
    # What the machine does besides is not the demo's: the limit holds where nothing else wants the processors.
    alone = os.getloadavg()[1] < (os.cpu_count() or 1) + 1
    assert took < 60 or not alone, f"the demo took {took:.0f} s"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_demo_cleans_up(
    public_dir: Path, demo: subprocess.Popen[str], number: signal.Signals
) -> None:
    assert demo.stdout
    end = time.monotonic() + 300
    for line in demo.stdout:
        assert time.monotonic() < end
        if line.startswith("$ vfs mounts"):
            break
    os.killpg(demo.pid, number)
    demo.communicate(timeout=120)
    assert demo.returncode in (128 + number, -number)
    nothing_left(public_dir)
