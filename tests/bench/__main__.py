"""Runs the benchmark: `python -m bench [--only PATTERN] [--quick] [--list]`, from the directory `tests`."""

from __future__ import annotations

import argparse
import fnmatch
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import lineage, machine, own, table, writable
from bench.datasets import QUICK, Datasets, Scale
from bench.local import Local
from bench.measure import Bench, compile_reader
from bench.picture import picture
from bench.results import Row
from bench.s3 import CELLS, S3
from bench.stopped import BenchError, undone
from bench.workloads import LOCAL


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Measure vfs against ext4, S3 clients and its peers.")
    parser.add_argument("--only", action="append", metavar="PATTERN", help="part/name of cells, * allowed; repeatable")
    parser.add_argument("--list", action="store_true", help="print the names of the cells")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, three repeats: bars do not apply")
    parser.add_argument("--no-peers", action="store_true", help="vfs and its yardsticks only")
    parser.add_argument("--dir", type=Path, help="keep data there for the next run (default: below /var/tmp, removed)")
    parser.add_argument("--out", type=Path, help="directory for benchmark.txt, .json and .svg (default: print only)")
    return parser.parse_args()


def main() -> int:
    """0 when all was measured, whatever the figures; 130 after Ctrl-C."""
    options = _arguments()
    if options.list:
        print("\n".join(_names()))
        return 0
    place = options.dir or Path(tempfile.mkdtemp(prefix="vfs-bench-", dir="/var/tmp"))
    try:
        return _run(options, place.resolve())
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: stopped; all is unmounted", file=sys.stderr)
        return 130
    finally:
        if options.dir is None:
            shutil.rmtree(place, ignore_errors=True)


def _names() -> list[str]:
    return [
        *(f"local/{workload.name}" for workload in LOCAL),
        *(f"own/{name}" for name in own.CELLS),
        *(f"writable/{name}" for name in writable.CELLS),
        *(f"lineage/{name}" for name in lineage.CELLS),
        *(f"s3/{name}" for name in CELLS),
    ]


def _run(options: argparse.Namespace, place: Path) -> int:
    machine.drop_caches()
    scale = QUICK if options.quick else Scale()
    bench = Bench(Datasets(place / "data", scale), compile_reader(place / "bin"))
    local = Local(bench, place, say=_say, peers=not options.no_peers)
    mine = own.Own(bench, place, say=_say)
    layers = writable.Writable(
        bench, place, compile_reader(place / "bin", "writer"), say=_say, peers=not options.no_peers
    )
    asked = lineage.Questions(place, quick=options.quick, say=_say)
    s3 = S3(bench, place, compile_reader(place / "bin", "proxy"), say=_say)
    about = {**machine.describe(place), "load before": str(machine.load())}
    if options.quick:
        about["scale"] = "quick, a tenth of the sizes that the titles name"
    rows: list[Row] = []
    try:
        with undone(local.stop, mine.stop, layers.stop, s3.stop):
            for row in _rows(options, [local.rows, mine.rows, layers.rows, asked.rows, s3.rows]):
                rows.append(row)
                _say(f"  {row.name}: {table.figure(row)} {row.verdict} {row.note}")
    finally:
        # What was measured before a failure or Ctrl-C is shown, too.
        about["load after"] = str(machine.load())
        print(table.text(rows, about))
        if options.out and rows:
            _write(options.out, rows, about)
    return 0


def _rows(options: argparse.Namespace, parts: list[Callable[[Callable[[str], bool]], Iterator[Row]]]) -> Iterator[Row]:
    def wanted(name: str) -> bool:
        return not options.only or any(fnmatch.fnmatch(name, pattern) for pattern in options.only)

    for part in parts:
        yield from part(wanted)


def _write(out: Path, rows: list[Row], about: dict[str, str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "benchmark.txt").write_text(table.text(rows, about))
    (out / "benchmark.json").write_text(table.as_json(rows, about))
    (out / "benchmark.svg").write_text(picture(rows, "; ".join(f"{key} {value}" for key, value in about.items())))


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
