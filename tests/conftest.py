"""Fixtures that every test may use: state of its own, the real command, mounts that are always undone.

A test never sees the settings, store or state of the user who runs it, and a log warning that it
did not announce with `@pytest.mark.expects_warnings(...)` fails it.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

COMMAND_LIMIT = 90.0
"""Seconds a run of the command may take before the test fails instead of hanging."""


def mounts_below(directory: Path) -> list[Path]:
    """Mount points at or below a directory, innermost first."""
    prefix = str(directory)
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), line.split(" ")[4])
        if point == prefix or point.startswith(prefix + "/"):
            found.append(Path(point))
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def undo_mounts(directory: Path) -> list[Path]:
    """Unmount everything below a directory by force; return what had been left mounted."""
    left = mounts_below(directory)
    for point in left:
        for words in (["fusermount3", "-u", "-z", str(point)], ["umount", "-l", str(point)]):
            try:
                done = subprocess.run(words, capture_output=True, timeout=10, check=False)
            except (OSError, subprocess.TimeoutExpired):
                continue
            if done.returncode == 0:
                break
    return left


@pytest.fixture
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Store, state, cache, home and author under `tmp_path`; mounts below it end with the test."""
    for name in [key for key in os.environ if key.startswith("VFS_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VFS_STORE", f"file://{tmp_path}/store")
    monkeypatch.setenv("VFS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("VFS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("VFS_AUTHOR", "tester@example.org")
    yield tmp_path
    undo_mounts(tmp_path)


@pytest.fixture
def public_dir() -> Iterator[Path]:
    """A directory that every user may read, which pytest's own are not; mounts below it end with the test."""
    place = Path(tempfile.mkdtemp(prefix="vfs-test-", dir="/tmp"))
    place.chmod(0o755)
    yield place
    undo_mounts(place)
    for _ in range(20):
        # A daemon on its way out removes its own files meanwhile.
        shutil.rmtree(place, ignore_errors=True)
        if not place.exists():
            return
        time.sleep(0.2)
    shutil.rmtree(place)


Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def vfs(isolated: Path) -> Vfs:
    """Run the real `vfs` command: `vfs("put", "repo", "dir/", ok=False, input=b"", cwd=...)`.

    With `ok=True` (the default) an exit status other than 0 fails the test and shows stderr. A
    traceback on stderr fails it in any case. Output is bytes.
    """

    def run(
        *words: str | bytes | Path,
        ok: bool = True,
        input: bytes | None = None,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        timeout: float = COMMAND_LIMIT,
    ) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-c", "from vfs.cli.main import main; main()", *words]
        source = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        done = subprocess.run(
            command,
            capture_output=True,
            cwd=cwd or isolated,
            env={**os.environ, **(env or {})},
            timeout=timeout,
            check=False,
            **source,
        )
        assert b"Traceback (most recent call last)" not in done.stderr, done.stderr.decode(errors="replace")
        if ok:
            shown = done.stderr.decode(errors="replace")
            assert done.returncode == 0, f"vfs {words!r} exited {done.returncode}: {shown}"
        return done

    return run


@pytest.fixture
def mountpoint(isolated: Path) -> Path:
    """An empty directory to mount on; whatever is mounted there ends with the test."""
    point = isolated / "mnt"
    point.mkdir()
    return point


class _Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(f"{record.name}: {record.getMessage()}")


@pytest.fixture(autouse=True)
def unexpected_log_warnings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that logs a warning or worse without having announced it."""
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.processors.KeyValueRenderer(key_order=["event"])],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    seen = _Warnings()
    root = logging.getLogger()
    root.addHandler(seen)
    yield
    root.removeHandler(seen)
    expected = [
        re.compile(pattern)
        for marker in request.node.iter_markers("expects_warnings")
        for pattern in (marker.args or (".*",))
    ]
    surprising = [text for text in seen.messages if not any(pattern.search(text) for pattern in expected)]
    if surprising:
        pytest.fail("log warnings that this test did not expect:\n" + "\n".join(surprising), pytrace=False)


def pytest_configure() -> None:
    """Ctrl-C works in what tests start, also where this run is in the background of a script, which ignores it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def fuse_for_all() -> Iterator[None]:
    """Ordinary users may mount, as on every distribution; some containers give the device to root alone."""
    before = stat.S_IMODE(os.stat("/dev/fuse").st_mode)
    os.chmod("/dev/fuse", 0o666)
    yield
    os.chmod("/dev/fuse", before)


def _can_mount() -> bool:
    return os.access("/dev/fuse", os.R_OK | os.W_OK)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that this machine cannot run are skipped by name, with what is missing."""
    for item in items:
        if item.get_closest_marker("mount") and not _can_mount():
            item.add_marker(pytest.mark.skip(reason="/dev/fuse cannot be opened by this user"))
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs uid 0"))
