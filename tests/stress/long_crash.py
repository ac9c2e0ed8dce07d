"""The daemon is killed while files of the commit are changed at random: all of the tree can be read and committed."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from stress import manyfiles
from stress.crash import survived
from stress.listing import differences, listing
from stress.place import Place

pytestmark = [pytest.mark.mount, pytest.mark.root, pytest.mark.timeout(400)]

SEED = int(os.environ.get("STRESS_SEED", random.SystemRandom().randrange(1 << 30)))
TURNS = int(os.environ.get("STRESS_TURNS", 2))


def fill(top: Path) -> None:
    manyfiles.populate(top / "tree", SEED)
    (top / "old").mkdir()


def test_a_tree_at_work_is_whole_after_kills_of_the_daemon(place: Place) -> None:
    print(f"seed {SEED}")
    place.begin(fill)
    survived(place, seed=SEED, turns=TURNS, tree=True)
    shown = listing(place.mount)
    assert differences(shown, listing(place.fresh())) == []
