"""A tree that random operations work on: equal to the same operations on a plain directory, and to its commit."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from stress import manyfiles
from stress.listing import differences, listing, one_file, without_clock
from stress.place import Place

pytestmark = [pytest.mark.mount, pytest.mark.root, pytest.mark.timeout(400)]

TESTS = Path(__file__).resolve().parents[1]
SEED = int(os.environ.get("STRESS_SEED", random.SystemRandom().randrange(1 << 32)))
OPERATIONS = int(os.environ.get("STRESS_OPERATIONS", 3000))
WORKERS = 3
LIMIT = 240


def begun(top: Path, log: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "stress.manyfiles", *words, "--log", str(log), str(top)]
    return subprocess.Popen(command, cwd=TESTS, stdin=subprocess.DEVNULL)


def run(top: Path, log: Path, *words: str) -> list[str]:
    assert begun(top, log, *words).wait(LIMIT) == 0
    return log.read_text().splitlines()


def test_the_same_work_gives_the_same_results_and_tree_as_on_a_plain_directory(place: Place) -> None:
    print(f"seed {SEED}, {OPERATIONS} operations")
    place.begin(lambda top: manyfiles.populate(top, SEED))
    words = ("--seed", str(SEED), "--operations", str(OPERATIONS))
    plain = run(place.plain, place.directory / "plain.log", *words)
    mounted = run(place.mount, place.directory / "mount.log", *words)
    assert [f"{a} and {b}" for a, b in zip(plain, mounted, strict=True) if a != b] == []
    assert differences(without_clock(listing(place.plain)), without_clock(listing(place.mount))) == []
    assert one_file(place.plain) == one_file(place.mount)
    shown = listing(place.mount)
    assert differences(shown, listing(place.fresh())) == []
    assert differences(shown, listing(place.mount)) == []


def test_several_processes_work_in_one_tree_and_its_commit_is_that_tree(place: Place) -> None:
    print(f"seeds {SEED} to {SEED + WORKERS - 1}, {OPERATIONS} operations")
    place.begin(lambda top: manyfiles.populate(top, SEED))
    for turn in range(2):
        seeds = [SEED + turn * WORKERS + number for number in range(WORKERS)]
        logs = {seed: place.directory / f"{seed}.log" for seed in seeds}
        words = ("--operations", str(OPERATIONS))
        workers = [begun(place.mount, log, "--seed", str(seed), *words) for seed, log in logs.items()]
        assert [worker.wait(LIMIT) for worker in workers] == [0] * WORKERS
        assert differences(listing(place.mount), listing(place.fresh())) == []


def test_a_log_is_replayed_with_the_same_results(tmp_path: Path) -> None:
    for name in ("one", "two"):
        manyfiles.populate(tmp_path / name, 1)
    first = run(tmp_path / "one", tmp_path / "log", "--seed", "1", "--operations", "500")
    assert run(tmp_path / "two", tmp_path / "again", "--replay", str(tmp_path / "log")) == first
    done = [line for line in first if '"result": "E' not in line]
    assert len(done) > 60
