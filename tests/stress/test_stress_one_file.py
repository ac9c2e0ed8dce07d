"""One file under random reads, writes, cuts, maps and holes: what it holds is what a model in memory holds."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from stress import onefile
from stress.place import Place

pytestmark = [pytest.mark.mount, pytest.mark.root, pytest.mark.timeout(400)]

SEED = int(os.environ.get("STRESS_SEED", random.SystemRandom().randrange(1 << 32)))
OPERATIONS = int(os.environ.get("STRESS_OPERATIONS", 3000))
TURNS = 3


def fill(top: Path) -> None:
    (top / "file").write_bytes(random.Random(1).randbytes(200_000))


def test_a_file_of_the_commit_is_what_the_model_is_and_so_is_its_commit(place: Place) -> None:
    print(f"seed {SEED}, {OPERATIONS} operations")
    place.begin(fill)
    for turn in range(TURNS):
        held = {}
        for top in (place.plain, place.mount):
            todo = onefile.steps(SEED + turn, OPERATIONS)
            with (place.directory / f"{top.name}{turn}.log").open("w") as log:
                held[top] = onefile.exercise(top / "file", todo, log=log)
        assert held[place.plain] == held[place.mount] == (place.plain / "file").read_bytes()
        assert (place.fresh() / "file").read_bytes() == held[place.mount]


def test_a_new_file_is_what_the_model_is(place: Place) -> None:
    place.begin(fill)
    with (place.directory / "log").open("w") as log:
        held = onefile.exercise(place.mount / "new", onefile.steps(SEED, OPERATIONS), log=log)
    fresh = place.fresh()
    assert (fresh / "new").read_bytes() == held and (fresh / "file").stat().st_size == 200_000


def test_the_exerciser_sees_one_wrong_byte_and_its_log_repeats_the_run(tmp_path: Path) -> None:
    fill(tmp_path)
    path = tmp_path / "file"
    work = onefile.Exerciser(path)
    with path.open("r+b") as file:
        file.seek(1234)
        file.write(b"\x00\x01")
    with pytest.raises(onefile.Differs, match="wrong content from byte 123"):
        work.look_at_all()
    work.close()
    ends = []
    for name, todo in (("one", onefile.steps(5, 300)), ("two", onefile.replayed)):
        with (tmp_path / f"{name}.log").open("w") as log:
            wanted = todo(tmp_path / "one.log") if callable(todo) else todo
            ends.append(onefile.exercise(tmp_path / name, wanted, log=log))
    assert ends[0] == ends[1] and len(ends[0]) > 0
