"""A plain directory and a writable mount that begin with the same tree, and fresh mounts of what was committed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stress.place import Place

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def place(vfs: Vfs, isolated: Path) -> Iterator[Place]:
    """Where a suite runs; every mount of it ends with the test."""
    where = Place(isolated, vfs)
    yield where
    where.close()


@pytest.fixture
def shell() -> Callable[..., str]:
    """Run a shell command that knows nothing of vfs; its output, or the failure with what it said."""

    def run(command: str, *, cwd: Path, timeout: float = 100, **environment: str) -> str:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-ec", command],
            cwd=cwd,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        said = done.stdout[-2000:].decode(errors="replace") + done.stderr[-3000:].decode(errors="replace")
        assert done.returncode == 0, f"{command}\nexited {done.returncode}: {said}"
        return done.stdout.decode(errors="surrogateescape")

    return run


def pytest_report_header() -> list[str]:
    """The seed that a failure is repeated with."""
    settings: dict[str, Any] = {name: value for name, value in os.environ.items() if name.startswith("STRESS_")}
    return [f"stress: {settings}"] if settings else []
