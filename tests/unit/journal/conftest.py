from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from journal_world import World

from vfs.journal.log import Journal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "state") as opened:
        yield opened


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as made:
        yield made
