from __future__ import annotations

from pathlib import Path

import pytest
from content_world import CountingStore, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def counting(tmp_path: Path) -> World:
    return World(tmp_path, CountingStore())
