"""The daemon is killed in the middle of the work: what fsync had confirmed is there, and can be committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from stress import durable
from stress.crash import SEED, TURNS, fill, survived
from stress.listing import differences, listing
from stress.place import Place

pytestmark = [pytest.mark.mount, pytest.mark.root, pytest.mark.timeout(400)]


def test_what_fsync_confirmed_survives_kills_of_the_daemon(place: Place) -> None:
    print(f"seed {SEED}")
    place.begin(fill)
    survived(place, seed=SEED, turns=TURNS, tree=False)
    shown = listing(place.mount)
    assert differences(shown, listing(place.fresh())) == []


def test_the_check_finds_what_was_lost(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('["begin", "a", 70001]\n["done", "a", 70001]\n["begin", "a", 70002]\n')
    for seed in (70001, 70002):
        (tmp_path / "a").write_bytes(durable.content(seed))
        assert durable.lost(tmp_path, log) == []
    (tmp_path / "a").write_bytes(durable.content(70001)[:-1])
    assert len(durable.lost(tmp_path, log)) == 1
    (tmp_path / "a").unlink()
    assert len(durable.lost(tmp_path, log)) == 1
