"""A crash in the middle of the work: writers that say what they made durable, and a daemon that is killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from stress import durable, manyfiles
from stress.place import Place

TESTS = Path(__file__).resolve().parents[1]
WRITERS = ("old", "new")
"""Their directories: one of the commit, one made in the mount."""
LEAST = 5
"""Confirmed changes of each writer before the daemon is killed."""
LIMIT = 60.0
SEED = int(os.environ.get("STRESS_SEED", random.SystemRandom().randrange(1 << 30)))
TURNS = int(os.environ.get("STRESS_TURNS", 2))


def fill(top: Path) -> None:
    """What is committed before the first kill."""
    manyfiles.populate(top / "tree", SEED)
    (top / "old").mkdir()


def begun(module: str, top: Path, log: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"stress.{module}", "--log", str(log), *words, str(top)]
    return subprocess.Popen(command, cwd=TESTS, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def confirmed(log: Path) -> int:
    return log.read_text().count('["done"') if log.exists() else 0


def kill_in_the_middle(place: Place, logs: dict[str, Path], *, seed: int, tree: bool) -> None:
    """Writers, and random work in `tree` where wanted; the daemon dies; everyone is gone afterwards."""
    work = [begun("durable", place.mount / name, log, "--seed", str(seed)) for name, log in logs.items()]
    if tree:
        words = ("--seed", str(seed), "--operations", "1000000")
        work.append(begun("manyfiles", place.mount / "tree", place.directory / "tree.log", *words))
    try:
        end = time.monotonic() + LIMIT
        while min(confirmed(log) for log in logs.values()) < LEAST:
            assert time.monotonic() < end and work[0].poll() is None, "the writers do not get on"
            time.sleep(0.02)
        time.sleep(random.Random(seed).random() / 2)
        place.kill_daemon()
        time.sleep(0.2)
    finally:
        for process in work:
            process.kill()
            process.wait(LIMIT)


def survived(place: Place, *, seed: int, turns: int, tree: bool) -> None:
    """Crash and mount again, several times; nothing that was confirmed is lost in any of them."""
    (place.mount / "new").mkdir()
    for turn in range(turns):
        logs = {name: place.directory / f"{name}.{turn}.log" for name in WRITERS}
        kill_in_the_middle(place, logs, seed=seed + turn, tree=tree)
        place.mount_again()
        for name, log in logs.items():
            assert confirmed(log) >= LEAST
            lost = durable.lost(place.mount / name, log)
            assert lost == [], "\n".join(lost)
            # The next writer begins without files, as its log does.
            for path in (place.mount / name).iterdir():
                path.unlink()
