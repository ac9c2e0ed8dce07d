"""Real mounts for end-to-end tests: the real command, the real daemon, always undone."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Mounted = Callable[..., Path]


@pytest.fixture
def mounted(vfs: Callable[..., Any], isolated: Path) -> Iterator[Mounted]:
    """`mounted("repo@main", "--rw")` mounts and gives the mount point; the end of the test unmounts it."""
    points: list[Path] = []

    def mount(*words: str) -> Path:
        point = isolated / f"mnt{len(points)}"
        point.mkdir()
        vfs("mount", *words, point)
        points.append(point)
        return point

    yield mount
    stuck = []
    for point in reversed(points):
        if point.is_mount():
            done = vfs("umount", point, ok=False, timeout=40)
            stuck += [f"{point}: {done.stderr.decode()}"] if done.returncode else []
    assert not stuck


@pytest.fixture
def shell() -> Callable[..., str]:
    """Run a shell command that knows nothing of vfs; its output, or the failure with what it said."""

    def run(command: str, *, cwd: Path | None = None, timeout: float = 100) -> str:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-ec", command],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        said = done.stderr.decode(errors="replace")[-3000:]
        assert done.returncode == 0, f"{command}\nexited {done.returncode}: {said}"
        return done.stdout.decode(errors="surrogateescape")

    return run


@pytest.fixture
def repo(vfs: Callable[..., Any]) -> str:
    """A repo named `data` in a new store."""
    vfs("init")
    vfs("repo", "create", "data")
    return "data"
