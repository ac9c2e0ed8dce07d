"""Programs drawn at random that write down what they open, list and miss: the journal says the same, in both ways."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from vfs.journal.events import (
    AbsentSeen,
    FirstSeen,
    Gap,
    ListedSeen,
    ProcessesEnded,
    ProcessSeen,
    ReadsSeen,
    SessionStart,
)
from vfs.journal.log import Journal
from vfs.journal.select import select_events

pytestmark = [pytest.mark.mount, pytest.mark.root]

Vfs = Callable[..., Any]
Step: TypeAlias = list[Any]
# What was done (read, list, miss), by which process, to which path.
Fact: TypeAlias = tuple[str, int, str]

WAYS = {"open": {"VFSD_FANOTIFY": "0"}, "fanotify": {}}
SEEDS = range(3)
FILES = [f"f{number}" for number in range(12)] + [f"d{number // 4}/g{number}" for number in range(12)]
DIRECTORIES = ["", "d0", "d1", "d2"]
DEPTH = 3
KINDS: dict[str, type[FirstSeen]] = {"read": ReadsSeen, "list": ListedSeen, "miss": AbsentSeen}

# Interprets steps, and appends what it does itself to a log: one line, one write.
PROGRAM = r"""
import json, mmap, os, subprocess, sys, threading

place, log, steps = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
notes = os.open(log, os.O_WRONLY | os.O_APPEND)

def note(what, name, pid=None):
    os.write(notes, (json.dumps([what, pid or os.getpid(), name]) + "\n").encode())

def open_file(name):
    note("read", name)
    return os.open(os.path.join(place, name), os.O_RDONLY)

def again(steps):
    return [sys.executable, "-I", "-S", __file__, place, log, json.dumps(steps)]

def do(step):
    kind, *more = step
    if kind == "read":
        fd = open_file(more[0])
        os.read(fd, 100)
        os.close(fd)
    elif kind == "map":
        fd = open_file(more[0])
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as found:
            os.close(fd)
            found[0]
    elif kind == "list":
        note("list", more[0])
        os.listdir(os.path.join(place, more[0]))
    elif kind == "miss":
        note("miss", more[0])
        os.path.exists(os.path.join(place, more[0]))
    elif kind == "threads":
        threads = [threading.Thread(target=run, args=(steps,)) for steps in more]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    elif kind == "fork":
        pid = os.fork()
        if pid == 0:
            run(more[0])
            os._exit(0)
        os.waitpid(pid, 0)
    elif kind == "exec":
        subprocess.run(again(more[0]), check=True)
    elif kind == "replace":
        pid = os.fork()
        if pid == 0:
            run(more[0])
            os.execv(sys.executable, again(more[1]))
        os.waitpid(pid, 0)
    elif kind == "pass":
        fd = open_file(more[0])
        subprocess.run([*again(more[1]), str(fd)], pass_fds=[fd], check=True)
        os.close(fd)
    elif kind == "stdin":
        with open(open_file(more[0]), "rb") as given:
            subprocess.run(["cat"], stdin=given, stdout=subprocess.DEVNULL, check=True)
    elif kind == "cat":
        names = [os.path.join(place, name) for name in more]
        cat = subprocess.Popen(["cat", *names], stdout=subprocess.PIPE)
        for name in more:
            note("read", name, cat.pid)
        subprocess.run(["wc", "-c"], stdin=cat.stdout, stdout=subprocess.DEVNULL, check=True)
        cat.stdout.close()
        cat.wait()

def run(steps):
    for step in steps:
        do(step)

for handed in sys.argv[4:]:
    os.pread(int(handed), 100, 0)
run(steps)
"""


class Plan:
    """Steps drawn from a seed. A name that is missed is asked for once: the kernel remembers that it is not there."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = random.Random(seed)
        self._missed = 0

    def steps(self, depth: int = 0) -> list[Step]:
        """Some steps; fewer of them, and simpler, further down."""
        return [self._step(depth) for _ in range(self._random.randint(2, 7 - depth))]

    def _step(self, depth: int) -> Step:
        simple = ["read", "map", "list", "miss", "cat", "stdin"]
        kinds = simple + (["threads", "fork", "exec", "replace", "pass"] * 2 if depth < DEPTH else [])
        match kind := self._random.choice(kinds):
            case "list":
                return [kind, self._random.choice(DIRECTORIES)]
            case "miss":
                self._missed += 1
                place = self._random.choice(["", "d0/", "d1/"])
                return [kind, f"{place}no-{self._seed}-{self._missed}"]
            case "cat":
                return [kind, *self._random.sample(FILES, 2)]
            case "threads":
                # No fork in them: what a thread holds while another forks would stay held in the copy.
                return [kind, *(self._plain() for _ in range(3))]
            case "fork" | "exec":
                return [kind, self.steps(depth + 1)]
            case "replace":
                return [kind, self._plain(), self.steps(depth + 1)]
            case "pass":
                return [kind, self._random.choice(FILES), self.steps(depth + 1)]
            case _:
                return [kind, self._random.choice(FILES)]

    def _plain(self) -> list[Step]:
        return [[self._random.choice(["read", "map"]), self._random.choice(FILES)] for _ in range(3)]


@pytest.fixture
def data(vfs: Vfs, repo: str, isolated: Path) -> Path:
    """Files and directories committed to `data`."""
    source = isolated / "source"
    for name in FILES:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(f"this is {name}\n")
    vfs("put", repo, f"{source}/")
    return source


def journalled(state: Path) -> tuple[set[Fact], set[int], set[int]]:
    """What the last session's journal says was done; who was described; who of them ended. No gap, nothing twice."""
    with Journal.open(state) as journal:
        starts = [journal.event(record.seq) for record in journal.records() if record.kind == "session-start"]
        session = [event.session for event in starts if isinstance(event, SessionStart)][-1]
        assert not list(select_events(journal, session, Gap))
        pids = {event.process.key: event.process.pid for event in select_events(journal, session, ProcessSeen)}
        ended = {pids[key] for event in select_events(journal, session, ProcessesEnded) for key, _ in event.ended}
        seen = [
            (what, key, path.decode())
            for what, kind in KINDS.items()
            for event in select_events(journal, session, kind)
            for key, _, path, _ in event.reads
        ]
        numbers = [
            at for kind in KINDS.values() for event in select_events(journal, session, kind) for at in event.numbers()
        ]
    assert len(set(seen)) == len(seen) and sorted(numbers) == list(range(1, len(seen) + 1))
    return {(what, pids[key], path) for what, key, path in seen}, set(pids.values()), ended


@pytest.mark.parametrize("way", WAYS)
def test_random_programs_and_the_journal_say_the_same(
    vfs: Vfs, data: Path, mountpoint: Path, isolated: Path, way: str
) -> None:
    program, log = isolated / "program.py", isolated / "log"
    program.write_text(PROGRAM)
    log.touch()
    vfs("mount", "data", mountpoint, env=WAYS[way])
    for seed in SEEDS:
        words: list[str | Path] = [sys.executable, "-I", "-S", program, mountpoint, log, json.dumps(Plan(seed).steps())]
        done = subprocess.run(words, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, (seed, done.stderr.decode())
    vfs("umount", mountpoint)
    noted: set[Fact] = {(what, pid, path) for what, pid, path in map(json.loads, log.read_text().splitlines())}
    said, described, ended = journalled(isolated / "state")
    assert said == noted
    assert {what for what, _, _ in said} == set(KINDS) and len({pid for _, pid, _ in said}) > 10
    assert {pid for _, pid, _ in said} <= described & ended
