"""The local workloads: what is read, from which state, and the bar of each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.datasets import Datasets
from bench.results import Bar

HERE = Path(__file__).resolve().parent
# What a program of some size imports, besides the standard library.
IMPORTS = "boto3, botocore.session, rich.console, hypothesis, trio, prometheus_client, sqlite_utils"

Command = Callable[[Path, Datasets, str], list[str]]


@dataclass(frozen=True)
class Workload:
    """One line of the table. `start`: `cold` (new mount, all caches empty), `verified` (read through once, page cache
    dropped) or `warm` (done once before). `timed` is `inside` when the program prints its own nanoseconds.
    """

    name: str
    title: str
    dataset: str
    start: str
    command: Command
    bar: Bar | None = None
    timed: str = "inside"
    each: str = ""


def _reader(*words: str) -> Command:
    """`{root}`, `{name}` and `{shuffled}` in the words stand for the directory and the lists of its files."""

    def command(root: Path, data: Datasets, reader: str) -> list[str]:
        return [reader, *(_filled(word, root, data) for word in words)]

    return command


def _filled(word: str, root: Path, data: Datasets) -> str:
    if word.startswith("list:"):
        _, dataset, order = word.split(":")
        return str(data.place / f"{dataset}.{order}")
    return word.format(root=root, reads=data.scale.random_reads)


def _shell(script: str) -> Command:
    def command(root: Path, data: Datasets, reader: str) -> list[str]:
        return ["sh", "-c", script, "sh", str(root)]

    return command


def _import(root: Path, data: Datasets, reader: str) -> list[str]:
    code = f"import sys; sys.path.insert(0, sys.argv[1]); import {IMPORTS}"
    return [sys.executable, "-I", "-S", "-B", "-c", code, str(root / "packages")]


def _loader(root: Path, data: Datasets, reader: str) -> list[str]:
    return [sys.executable, "-I", "-S", str(HERE / "loader.py"), str(root), str(data.place / "small.shuffled")]


def _small(readers: int, order: str) -> Command:
    return _reader("files", str(readers), f"list:small:{order}", "{root}")


_LARGE, _GIT = "{root}/large.bin", "git --no-optional-locks -c safe.directory='*' -C \"$1\" status --porcelain"

LOCAL: tuple[Workload, ...] = (
    Workload(
        "stat-warm",
        "stat of 100,000 files, warm",
        "many",
        "warm",
        _reader("stat", "list:many:name", "{root}"),
        Bar(1.3),
        each="file",
    ),
    Workload(
        "list-cold",
        "list + stat of 100,000 entries, first",
        "many",
        "cold",
        _reader("walk", "{root}"),
        Bar(6, unit="µs/entry"),
        each="entry",
    ),
    Workload(
        "list-warm",
        "list + stat of 100,000 entries, again",
        "many",
        "warm",
        _reader("walk", "{root}"),
        Bar(1.5),
        each="entry",
    ),
    Workload(
        "small-cold",
        "10,000 small files in name order, cold",
        "small",
        "cold",
        _small(1, "name"),
        Bar(1.0),
        each="file",
    ),
    Workload("small-cold-4", "the same, 4 readers", "small", "cold", _small(4, "name"), each="file"),
    Workload(
        "small-warm",
        "10,000 small files in name order, warm",
        "small",
        "warm",
        _small(1, "name"),
        Bar(1.3),
        each="file",
    ),
    Workload("small-warm-4", "the same, 4 readers", "small", "warm", _small(4, "name"), each="file"),
    Workload(
        "random-cold",
        "10,000 small files in random order, cold",
        "small",
        "cold",
        _small(1, "shuffled"),
        Bar(2.0),
        each="file",
    ),
    Workload("random-cold-4", "the same, 4 readers", "small", "cold", _small(4, "shuffled"), each="file"),
    Workload(
        "random-warm", "10,000 small files in random order, warm", "small", "warm", _small(1, "shuffled"), each="file"
    ),
    Workload("loader-cold", "shuffled loader, 4 processes, cold", "small", "cold", _loader, each="file"),
    Workload("loader-warm", "shuffled loader, 4 processes, warm", "small", "warm", _loader, each="file"),
    Workload("seq-cold", "2 GiB in sequence, cold", "large", "cold", _reader("seq", "1", _LARGE)),
    Workload(
        "seq-local",
        "2 GiB in sequence, read before, page cache cold",
        "large",
        "verified",
        _reader("seq", "1", _LARGE),
        Bar(1.3),
    ),
    Workload("seq-warm", "2 GiB in sequence, warm", "large", "warm", _reader("seq", "1", _LARGE), Bar(1.2)),
    Workload("streams-cold", "4 streams at once, cold", "large", "cold", _reader("seq", "4", _LARGE)),
    Workload("mmap-cold", "2 GiB through mmap, cold", "large", "cold", _reader("mmap", _LARGE)),
    Workload(
        "4k-first",
        "random 4 KiB of 2 GiB, first touch",
        "large",
        "cold",
        _reader("random", _LARGE, "4096", "{reads}", "7"),
        each="read",
    ),
    Workload(
        "4k-local",
        "random 4 KiB, read before, page cache cold",
        "large",
        "verified",
        _reader("random", _LARGE, "4096", "{reads}", "8"),
        Bar(2.5),
        each="read",
    ),
    Workload(
        "64k-first",
        "random 64 KiB of 2 GiB, first touch",
        "large",
        "cold",
        _reader("random", _LARGE, "65536", "{reads}", "9"),
        each="read",
    ),
    Workload(
        "64k-local",
        "random 64 KiB, read before, page cache cold",
        "large",
        "verified",
        _reader("random", _LARGE, "65536", "{reads}", "10"),
        each="read",
    ),
    Workload(
        "tar-cold",
        "tar of a source tree, cold",
        "source",
        "cold",
        _shell('tar -C "$1" -cf - . | cat >/dev/null'),
        timed="outside",
    ),
    Workload(
        "tar-warm",
        "tar of a source tree, warm",
        "source",
        "warm",
        _shell('tar -C "$1" -cf - . | cat >/dev/null'),
        timed="outside",
    ),
    Workload(
        "find-cold",
        "find by size in a source tree, cold",
        "source",
        "cold",
        _shell('find "$1" -type f -size +64k >/dev/null'),
        timed="outside",
    ),
    Workload(
        "find-warm",
        "find by size in a source tree, warm",
        "source",
        "warm",
        _shell('find "$1" -type f -size +64k >/dev/null'),
        timed="outside",
    ),
    Workload("git-cold", "git status, index of another place, cold", "source", "cold", _shell(_GIT), timed="outside"),
    Workload("git-warm", "git status, index of another place, warm", "source", "warm", _shell(_GIT), timed="outside"),
    Workload("import-cold", "Python imports of large packages, cold", "source", "cold", _import, timed="outside"),
    Workload("import-warm", "Python imports of large packages, warm", "source", "warm", _import, timed="outside"),
)
