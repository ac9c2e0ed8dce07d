"""The fixtures of conftest keep their own promises."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
import structlog


def test_isolated_settings_lie_below_the_tests_own_directory(isolated: Path) -> None:
    places = [os.environ[name] for name in ("VFS_STATE_DIR", "VFS_CACHE_DIR", "HOME")]
    assert all(Path(place).is_relative_to(isolated) for place in places)
    assert os.environ["VFS_STORE"] == f"file://{isolated}/store"


@pytest.mark.expects_warnings("pressure is high")
def test_an_announced_warning_is_no_failure() -> None:
    logging.getLogger("vfs.support").warning("pressure is high")
    structlog.get_logger("vfs.support").warning("pressure is high")
