"""Stores with long and wide lineage, and what questions about them take.

One store has a chain of runs, each made from the one before. The other has many runs that each read a few of many
files, and runs made from those. Questions are put by the command itself, in a process of its own; the first of them
meets an empty cache directory, the others the one that the first left, and a new state directory each.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from vfs.config.settings import default_settings
from vfs.model.commit import InputCommit, StoredCommit
from vfs.model.entry import Entry, Kind
from vfs.model.record import Output, Process, Read, RunRecord
from vfs.repo.commit import commit_tree
from vfs.repo.library import Library
from vfs.repo.repos import create_repo, repo_names
from vfs.tree.edit import Put, edit

STEPS = 1_000
COMMITS = 10_000
# Of the wide store: files put by each put, files read by each run, repos that the runs commit to.
PUT_FILES, RUN_READS, REPOS = 20, 20, 25
_PUTS = 400
# Of so many runs one is made from an earlier run.
_SECOND = 5
REPEATS = 5


class Builder:
    """Writes commits into a store, as runs and puts would."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._repos = set(repo_names(library))
        self._heads: dict[str, StoredCommit] = {}
        self._now = 1_772_366_400_000_000_000

    def commit(self, repo: str, files: Iterable[bytes], record: RunRecord | None, *, replace: bool) -> StoredCommit:
        """A commit with these files, on top of the one before it or in its place."""
        if repo not in self._repos:
            create_repo(self._library, repo)
            self._repos.add(repo)
        base = self._heads.get(repo)
        self._now += 1_000_000_000
        writer = self._library.writer()
        changes, made = [], {}
        for path in files:
            data = b"%s of %d" % (path, self._now)
            made[path], content = writer.put_bytes(data)
            changes.append(Put(_entry(path, self._now, len(data), made[path], content)))
        if record is not None:
            known = (msgspec.structs.replace(output, digest=made[output.path]) for output in record.outputs)
            record = msgspec.structs.replace(record, outputs=tuple(known))
        tree = None if base is None or replace else self._library.tree(base)
        root = edit(tree, writer, changes, mtime_ns=self._now)
        stored = commit_tree(
            self._library, repo=repo, branch="main", root=root, base=base, author="bench",
            message="made", record=record, writer=writer,
        )  # fmt: skip
        self._heads[repo] = stored
        return stored

    def run(self, given: StoredCommit, reads: Iterable[bytes], outputs: Iterable[bytes]) -> RunRecord:
        """The record of a run of a shell with a child for each output; the children share the reads."""
        tree = self._library.tree(given)
        made = list(outputs)
        children = range(2, 2 + len(made))
        seen = [
            Read(2 + at % len(made), 0, path, tree.get(path).digest, at + 1) for at, path in enumerate(sorted(reads))
        ]
        return RunRecord(
            kind="run", command=(b"sh", b"-c", b"for f in /pfs/in/*; do convert $f; done"), cwd=b"/home/bench",
            exit_code=0, started_ns=self._now, ended_ns=self._now + 3_200_000_000, user="bench", host="bench",
            version="0", level="fanotify", inputs=(InputCommit("in", given.commit.repo, given.id),),
            processes=(_process(1, 0), *(_process(key, 1) for key in children)), reads=tuple(seen),
            outputs=tuple(Output(path, b"o" * 32, 2 + at, 100_000 + at) for at, path in enumerate(made)),
        )  # fmt: skip


def build_chain(library: Library, steps: int = STEPS) -> None:
    """Repo `chain` with `steps` commits, each by a run that read three files of the one before."""
    builder = Builder(library)
    files = [b"part/%02d" % number for number in range(5)]
    made = builder.commit("chain", files, None, replace=True)
    for _ in range(steps):
        made = builder.commit("chain", files, builder.run(made, files[:3], files), replace=True)


def build_wide(library: Library, commits: int = COMMITS) -> None:
    """Repo `scans` with puts, and run commits in many repos up to `commits` in all; the first file is `scan/00000`."""
    draw, builder = random.Random(7), Builder(library)
    puts = max(1, min(_PUTS, commits // 4))
    scans, names = [], []
    for number in range(puts):
        fresh = [b"scan/%05d" % (number * PUT_FILES + at) for at in range(PUT_FILES)]
        names.append(fresh)
        scans.append(builder.commit("scans", fresh, None, replace=False))
    runs: list[StoredCommit] = []
    outputs = [b"out/%02d" % number for number in range(5)]
    for number in range(commits - puts):
        if runs and number % _SECOND == 0:
            given = draw.choice(runs)
            reads = draw.sample(outputs, 2)
        else:
            last = draw.randrange(puts)
            given = scans[last]
            known = [name for part in names[: last + 1] for name in part]
            reads = draw.sample(known, min(RUN_READS, len(known)))
        runs.append(
            builder.commit(f"runs{number % REPOS:02d}", outputs, builder.run(given, reads, outputs), replace=True)
        )


def measure(place: Path, words: list[str], *, repeats: int = REPEATS) -> tuple[float, float, str]:
    """Seconds that `vfs WORDS` takes with an empty cache directory, then (median) with a warm one; and its output."""
    shutil.rmtree(place / "cache", ignore_errors=True)
    cold, text = _timed(place, words)
    warm = [_timed(place, words)[0] for _ in range(repeats)]
    return cold, statistics.median(warm), text


def ensure(place: Path, build: Callable[[Library], None]) -> None:
    """A store at `place`, made by `build` unless it is there."""
    if (place / "built").exists():
        return
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    settings = default_settings(
        store=f"file://{place}/store", state_dir=str(place / "state"), cache_dir=str(place / "cache")
    )
    with Library.create(settings) as library:
        build(library)
    (place / "built").touch()


def _timed(place: Path, words: list[str]) -> tuple[float, str]:
    shutil.rmtree(place / "state", ignore_errors=True)
    environment = {
        **os.environ,
        "VFS_STORE": f"file://{place}/store",
        "VFS_STATE_DIR": str(place / "state"),
        "VFS_CACHE_DIR": str(place / "cache"),
    }
    begun = time.monotonic()
    done = subprocess.run(
        [str(Path(sys.executable).parent / "vfs"), *words], env=environment, capture_output=True, text=True, check=True
    )
    return time.monotonic() - begun, done.stdout


def _entry(path: bytes, now: int, size: int, digest: bytes, content: object) -> Entry:
    values = {"path": path, "kind": Kind.FILE, "mode": 0o644, "mtime_ns": now, "size": size, "digest": digest}
    return Entry(**values, content=content)


def _process(key: int, parent: int) -> Process:
    return Process(
        key=key, parent=parent, pid=1000 + key, started_ns=1, ended_ns=2, exe=b"/usr/bin/convert", exe_digest=bytes(32),
        argv=(b"convert", b"/pfs/in/some-file", b"/pfs/out/some-other"), cwd=b"/home/bench", uid=1000, user="bench",
        container="",
    )  # fmt: skip
