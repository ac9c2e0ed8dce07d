"""The daemon is killed while files of the commit are changed at random: all of the tree can be read and committed."""

from __future__ import annotations

import pytest

from stress.crash import SEED, TURNS, fill, survived
from stress.listing import differences, listing
from stress.place import Place

pytestmark = [pytest.mark.mount, pytest.mark.root, pytest.mark.timeout(400)]


def test_a_tree_at_work_is_whole_after_kills_of_the_daemon(place: Place) -> None:
    print(f"seed {SEED}")
    place.begin(fill)
    survived(place, seed=SEED, turns=TURNS, tree=True)
    shown = listing(place.mount)
    assert differences(shown, listing(place.fresh())) == []
