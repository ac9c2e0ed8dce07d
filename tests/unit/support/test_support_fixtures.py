"""The fixtures of conftest keep their own promises."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

ROOT = Path(__file__).resolve().parents[3]


def test_isolated_settings_lie_below_the_tests_own_directory(isolated: Path) -> None:
    places = [os.environ[name] for name in ("VFS_STATE_DIR", "VFS_CACHE_DIR", "HOME")]
    assert all(Path(place).is_relative_to(isolated) for place in places)
    assert os.environ["VFS_STORE"] == f"file://{isolated}/store"


@pytest.mark.expects_warnings("pressure is high")
def test_an_announced_warning_is_no_failure() -> None:
    logging.getLogger("vfs.support").warning("pressure is high")
    structlog.get_logger("vfs.support").warning("pressure is high")


def run_tests(directory: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Run a test file of its own with a copy of the shared fixtures."""
    shutil.copy(ROOT / "tests" / "conftest.py", directory)
    (directory / "test_of_its_own.py").write_text(body)
    (directory / "pytest.ini").write_text("[pytest]\nmarkers =\n    expects_warnings\n    mount\n    root\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(directory)],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_unannounced_warning_fails_the_test_that_caused_it(tmp_path: Path) -> None:
    done = run_tests(
        tmp_path,
        "import logging\nimport pytest\n"
        "def test_quiet():\n    logging.getLogger('vfs').info('fine')\n"
        "def test_loud():\n    logging.getLogger('vfs').warning('the disk smells of smoke')\n"
        "@pytest.mark.expects_warnings('snow')\n"
        "def test_other():\n    logging.getLogger('vfs').warning('rain')\n",
    )
    assert done.returncode == 1
    assert "the disk smells of smoke" in done.stdout
    assert "3 passed, 2 errors" in done.stdout


def test_the_command_fixture_does_not_let_a_failure_or_a_traceback_pass(tmp_path: Path) -> None:
    done = run_tests(
        tmp_path,
        "def test_it(vfs):\n    assert vfs('ls', 'nothing', ok=False).returncode == 3\n"
        "def test_refused(vfs):\n    vfs('ls', 'nothing')\n",
    )
    assert "1 failed, 1 passed" in done.stdout
    assert "vfs init" in done.stdout
