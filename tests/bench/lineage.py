"""The lineage part: how long questions take in long and wide histories, and what the record of a huge run costs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.lineage_store import COMMITS, REPEATS, STEPS, build_chain, build_wide, ensure, measure
from bench.results import Bar, Row
from bench.stopped import BenchError, run

CELLS = ("deep", "impact", "seal")
# Python of its own, since the memory of the process counts. Prints seconds and bytes.
_SEAL = """\
import pathlib, sys
sys.path[:0] = [sys.argv[3]]
from support.manyreads import seal_many
_, figures = seal_many(pathlib.Path(sys.argv[1]), int(sys.argv[2]), seed=1)
print(figures.made + figures.stored, figures.stored_bytes, figures.memory)
"""


class Questions:
    """Cells by name; stores are made through the library and kept for the next run."""

    def __init__(self, place: Path, *, quick: bool, say: Callable[[str], None]) -> None:
        self.place, self._say = place / "lineage", say
        self._part = 10 if quick else 1

    def rows(self, wanted: Callable[[str], bool]) -> Iterator[Row]:
        """Measure the cells that are wanted."""
        for name in CELLS:
            if wanted(f"lineage/{name}"):
                self._say(f"lineage/{name}")
                try:
                    yield from getattr(self, f"_{name}")()
                except BenchError as error:
                    yield Row("lineage", name, name, "", None, note=str(error))

    def _deep(self) -> Iterator[Row]:
        steps = STEPS // self._part
        title = f"lineage of a commit {steps:,} runs deep"
        yield self._asked("deep", title, partial(build_chain, steps=steps), ["lineage", "chain"], Bar(1, unit="s"))

    def _impact(self) -> Iterator[Row]:
        commits = COMMITS // self._part
        words = ["impact", "scans:scan/00000"]
        title = f"impact of one file among {commits:,} commits"
        yield self._asked("impact", title, partial(build_wide, commits=commits), words, Bar(2, unit="s"))

    def _asked(self, name: str, title: str, build: Callable[..., None], words: list[str], bar: Bar) -> Row:
        ensure(self.place / name, build)
        cold, warm, text = measure(self.place / name, words)
        note = f"{cold:.2f} s with an empty cache; {len(text.splitlines()):,} lines printed"
        return Row("lineage", name, title, "", warm, unit="s", bar=bar, repeats=REPEATS, note=note)

    def _seal(self) -> Iterator[Row]:
        reads = 1_000_000 // self._part
        place = self.place / "seal"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        try:
            tests = str(Path(__file__).resolve().parent.parent)
            done = run([sys.executable, "-c", _SEAL, str(place), str(reads), tests])
        finally:
            shutil.rmtree(place, ignore_errors=True)
        seconds, stored, memory = (float(word) for word in done.stdout.split())
        title = f"run record of {reads:,} shuffled reads"
        note = f"memory grew by {memory / 1e6:.0f} MB"
        yield Row("lineage", "seal-size", f"{title}, as stored", "", stored / 1e6, unit="MB", bar=Bar(40, unit="MB"))
        yield Row("lineage", "seal", f"{title}, sealed", "", seconds, unit="s", bar=Bar(30, unit="s"), note=note)
