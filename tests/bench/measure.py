"""One measurement: bring a file system into the state asked for, run the reader, take the time."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from bench.datasets import Datasets
from bench.machine import drop_caches, load
from bench.results import Sample
from bench.stopped import BenchError, run
from bench.systems import System
from bench.workloads import Workload

HERE = Path(__file__).resolve().parent
# Seconds of one reader, and of one cell after which it is not repeated again.
READ_LIMIT = 400.0
CELL_LIMIT = 45.0


def compile_reader(place: Path, name: str = "reader") -> str:
    """Compile one of the C programs beside this module; the path of the program."""
    program = place / name
    place.mkdir(parents=True, exist_ok=True)
    run(["gcc", "-O2", "-Wall", "-pthread", "-o", str(program), str(HERE / f"{name}.c")])
    return str(program)


class Bench:
    """What every measurement needs. Nothing is mounted between two cells."""

    def __init__(self, data: Datasets, reader: str) -> None:
        self.data = data
        self.reader = reader

    def sample(self, workload: Workload, systems: list[System]) -> list[Sample]:
        """Measure systems in turn, so that a busy moment of the machine meets all of them."""
        taken: list[list[float]] = [[] for _ in systems]
        reasons = ["" for _ in systems]
        for system in systems:
            self._prepare(system, workload)
        began, loads = time.monotonic(), load()[0]
        for number in range(self.data.scale.repeats):
            if number and time.monotonic() - began > CELL_LIMIT:
                break
            for index, system in enumerate(systems):
                if reasons[index]:
                    continue
                try:
                    taken[index].append(self._once(workload, system))
                except BenchError as error:
                    reasons[index] = str(error)
        return [Sample(tuple(seconds), reason, loads) for seconds, reason in zip(taken, reasons, strict=True)]

    def _prepare(self, system: System, workload: Workload) -> None:
        source = self.data.path(workload.dataset)
        system.place.mkdir(parents=True, exist_ok=True)
        system.prepare(workload.dataset, source)

    def _once(self, workload: Workload, system: System) -> float:
        try:
            system.forget()
            root = system.mount(workload.dataset, self.data.path(workload.dataset))
            words = workload.command(root, self.data, self.reader)
            if workload.start == "warm":
                self.read(words, workload.timed)
            elif workload.start == "verified":
                run([self.reader, "seq", "1", str(root / "large.bin")], timeout=READ_LIMIT)
            if workload.start != "warm":
                drop_caches()
            return self.read(words, workload.timed)
        finally:
            system.unmount()

    def read(self, words: list[str], timed: str) -> float:
        """Seconds that the reader took."""
        start = time.monotonic()
        done = run(words, timeout=READ_LIMIT)
        took = time.monotonic() - start
        return float(json.loads(done.stdout)["ns"]) / 1e9 if timed == "inside" else took


def first_byte(words: list[str], path: Path, environment: dict[str, str]) -> float:
    """Seconds from starting a mount command to having the first byte of a file in the mount."""
    start = time.monotonic()
    done = subprocess.run(
        words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False
    )
    if done.returncode:
        raise BenchError(f"mount: {done.stderr.decode(errors='replace').strip()}")
    with open(path, "rb", buffering=0) as file:
        file.read(1)
    return time.monotonic() - start
