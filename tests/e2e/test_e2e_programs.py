"""Programs of many kinds and languages: each read is recorded, of the right process, and nothing else is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from vfs.journal.events import Event, Gap, ProcessSeen, ReadsSeen, SessionStart, Watching
from vfs.journal.log import Journal
from vfs.model.record import Process

pytestmark = [pytest.mark.mount, pytest.mark.root]

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]
WAYS = {"open": {"VFSD_FANOTIFY": "0"}, "fanotify": {}}
FILES = 300
LIMIT = 60

PROGRAM = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;

static int take(int fd) { char byte; return fd < 0 || read(fd, &byte, 1) != 1; }
static int take_path(const char *path) {
    int fd = open(path, O_RDONLY), bad = take(fd);
    close(fd);
    return bad;
}
static void *in_thread(void *path) { return (void *)(long)take_path(path); }
static int ended_well(void) { int status; return wait(&status) < 0 || status != 0; }

int main(int count, char **words) {
    const char *how = words[1];
    int bad = 0;
    if (!strcmp(how, "one")) return take_path(words[2]);
    if (!strcmp(how, "fd")) return take(atoi(words[2]));
    if (!strcmp(how, "gone")) return unlink(words[0]) || take_path(words[2]);
    if (!strcmp(how, "map")) {
        for (int i = 2; i < count; i++) {
            int fd = open(words[i], O_RDONLY);
            char *data = mmap(0, 1, PROT_READ, MAP_PRIVATE, fd, 0);
            close(fd);
            bad |= data == MAP_FAILED || *(volatile char *)data == 0;
        }
        return bad;
    }
    if (!strcmp(how, "threads")) {
        pthread_t threads[64];
        for (int i = 2; i < count; i++) bad |= pthread_create(&threads[i], 0, in_thread, words[i]);
        for (int i = 2; i < count; i++) {
            void *result;
            bad |= pthread_join(threads[i], &result) || result;
        }
        return bad;
    }
    if (!strcmp(how, "chain")) {
        /* Reads the first file, forks, and has the child execute this program with the others. */
        bad = take_path(words[2]);
        if (count == 3) return bad;
        words[2] = words[1];
        words[1] = words[0];
        if (!fork()) _exit(execv(words[1], words + 1));
        return bad | ended_well();
    }
    if (!strcmp(how, "pass")) {
        /* Opens, and leaves the reading to a child that gets the descriptor. */
        char number[12];
        snprintf(number, sizeof number, "%d", open(words[2], O_RDONLY));
        char *next[] = {words[0], "fd", number, 0};
        if (!fork()) _exit(execv(words[0], next));
        return ended_well();
    }
    if (!strcmp(how, "many")) {
        for (int i = 2; i < count; i++) {
            char *next[] = {words[0], "one", words[i], 0};
            pid_t pid;
            bad |= posix_spawn(&pid, words[0], 0, 0, next, environ);
            if (i >= 6) bad |= ended_well();
        }
        for (int i = 2; i < count && i < 6; i++) bad |= ended_well();
        return bad;
    }
    return 9;
}
"""

# Sends an open descriptor over a socket to a process of its own, which reads it.
SENDER = """
import array, os, socket, subprocess, sys
ours, theirs = socket.socketpair()
reader = "import array, os, socket, sys; s = socket.socket(fileno=int(sys.argv[1])); "
reader += "fds = socket.recv_fds(s, 1, 1)[1]; assert os.read(fds[0], 1)"
child = subprocess.Popen([sys.executable, "-c", reader, str(theirs.fileno())], pass_fds=[theirs.fileno()])
fd = os.open(sys.argv[1], os.O_RDONLY)
socket.send_fds(ours, [b"x"], [fd])
sys.exit(child.wait())
"""

# A random program that writes down each of its own opens.
WANDERER = """
import mmap, os, random, sys, threading
log, seed, *names = sys.argv[1:]
chance = random.Random(int(seed))

def take(name, how):
    fd = os.open(name, os.O_RDONLY)
    if how == "map":
        mmap.mmap(fd, 1, prot=mmap.PROT_READ)[0]
    elif how == "dup":
        os.read(os.dup(fd), 1)
    else:
        os.read(fd, 1)
    os.close(fd)
    with open(log, "a") as file:
        file.write(f"{os.getpid()} {os.path.basename(name)}\\n")

def wander(depth):
    for _ in range(chance.randrange(1, 8)):
        name, how = chance.choice(names), chance.choice(["read", "map", "dup", "thread"])
        if how == "thread":
            thread = threading.Thread(target=take, args=(name, "read"))
            thread.start()
            thread.join()
        else:
            take(name, how)
    for _ in range(chance.randrange(0, 3) if depth else 0):
        chance.seed(chance.random())
        if os.fork() == 0:
            wander(depth - 1)
            os._exit(0)
        os.wait()

wander(3)
"""

JAVA = """
import java.nio.file.*;
class Reader { public static void main(String[] names) throws Exception {
    for (String name : names) Files.readAllBytes(Path.of(name));
} }
"""


def languages() -> dict[str, list[str]]:
    """A program for each language at hand: it reads the files that are put after it."""
    all_of_them = {
        "bash": ["bash", "-c", 'for name; do read -r line < "$name"; done', "bash"],
        "awk": ["awk", "{ } END { exit 0 }"],
        "perl": ["perl", "-e", 'for (@ARGV) { open(my $f, "<", $_) or die; my $l = <$f>; }'],
        "python3": [sys.executable, "-c", "import sys; [open(name).read() for name in sys.argv[1:]]"],
        "node": ["node", "-e", "for (const n of process.argv.slice(1)) require('fs').readFileSync(n)"],
        "java": ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", ".", "Reader"],
    }
    # The first four are on every machine that runs these tests.
    needs = {"node": "node", "java": "javac"}
    return {name: words for name, words in all_of_them.items() if name not in needs or shutil.which(needs[name])}


class Seen:
    """What the journal says of the session that was begun last."""

    def __init__(self, state: Path) -> None:
        with Journal.open(state) as journal:
            events = [journal.event(record.seq) for record in journal.records()]
        session = [event.session for event in events if isinstance(event, SessionStart)][-1]
        self.events: list[Event] = [event for event in events if event.session == session]
        self.processes: dict[int, Process] = {
            event.process.key: event.process for event in self.events if isinstance(event, ProcessSeen)
        }
        self.gaps = [event for event in self.events if isinstance(event, Gap)]
        self.level = [event.level for event in self.events if isinstance(event, Watching)][-1]

    def pairs(self) -> list[tuple[int, str]]:
        """Process and path of each read."""
        batches = [event.reads for event in self.events if isinstance(event, ReadsSeen)]
        return [(key, os.fsdecode(path)) for batch in batches for key, _, path, _ in batch]

    def readers(self) -> dict[str, list[Process]]:
        """Who read each file."""
        found: dict[str, list[Process]] = defaultdict(list)
        for key, path in self.pairs():
            found[path].append(self.processes[key])
        return found

    def above(self, process: Process) -> Iterator[Process]:
        """The process and its parents."""
        one: Process | None = process
        while one is not None:
            yield one
            one = self.processes.get(one.parent)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in C, and the class of the one in Java beside it."""
    place = tmp_path_factory.mktemp("program")
    (place / "program.c").write_text(PROGRAM)
    subprocess.run(["cc", "-O1", "-pthread", "-o", "program", "program.c"], cwd=place, timeout=LIMIT, check=True)
    if "java" in languages():
        (place / "Reader.java").write_text(JAVA)
        subprocess.run(["javac", "Reader.java"], cwd=place, timeout=LIMIT, check=True)
    return place / "program"


@pytest.fixture
def names(vfs: Vfs, repo: str, isolated: Path) -> list[str]:
    """Names of the files in `data`."""
    source = isolated / "source"
    source.mkdir()
    found = [f"f{number:03}" for number in range(FILES)]
    for name in found:
        (source / name).write_text(f"{name}\n")
    vfs("put", repo, f"{source}/")
    return found


def run(*words: str | Path, **more: Any) -> None:
    subprocess.run(words, stdout=subprocess.DEVNULL, timeout=LIMIT, check=True, **more)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 45
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("way", WAYS)
def test_each_read_is_that_of_the_process_that_opened(
    vfs: Vfs, names: list[str], program: Path, mountpoint: Path, isolated: Path, way: str
) -> None:
    vfs("mount", "data", mountpoint, env=WAYS[way])
    at = {name: str(mountpoint / name) for name in names}
    left = iter(names)
    expected: dict[str, list[tuple[str, ...]]] = {}

    def some(count: int, *reader: str | Path) -> list[str]:
        """Files that nobody else reads, by the program that starts with these words."""
        found = [next(left) for _ in range(count)]
        expected.update({name: [tuple(map(str, reader))] for name in found})
        return [at[name] for name in found]

    run(program, "threads", *some(12, program, "threads"))
    run(program, "map", *some(3, program, "map"))
    run(program, "pass", *some(1, program, "pass"))
    chain = some(4, program, "chain")
    run(program, "chain", *chain)
    gone = Path(shutil.copy(program, isolated / "gone"))
    run(gone, "gone", *some(1, gone, "gone"))
    run(sys.executable, "-c", SENDER, *some(1, sys.executable, "-c"))
    # Opened by this very process, and read by another.
    with open(some(1, sys.orig_argv[0])[0], "rb") as file:
        run("cat", stdin=file)
    run("sh", "-c", f"wc -l < {some(1, 'sh', '-c')[0]}; true")
    run("sh", "-c", f"exec wc -l < {some(1, 'sh', '-c')[0]}")
    run("bash", "-c", f"cat {some(1, 'cat')[0]} | sort - {some(1, 'sort', '-')[0]} | tee /dev/null | wc -l")
    run("bash", "-c", f"diff <(head -1 {some(1, 'head', '-1')[0]}) <(cat {some(1, 'cat')[0]}); true")
    done = isolated / "done"
    run("sh", "-c", f"setsid sh -c 'sleep 0.3; cat {some(1, 'cat')[0]}; touch {done}' > /dev/null 2>&1 &")
    wait_until(done.exists)
    for words in languages().values():
        run(*words, *some(2, *words), cwd=program.parent)
    vfs("umount", mountpoint)

    seen = Seen(isolated / "state")
    assert seen.level == way and not seen.gaps
    readers = seen.readers()
    told = {
        name: [tuple(map(os.fsdecode, one.argv[: len(expected[name][0])])) for one in found]
        for name, found in readers.items()
    }
    assert told == expected
    threads = {one.key for found in readers.values() for one in found if one.argv[1:2] == (b"threads",)}
    assert len(threads) == 1
    in_chain = [readers[Path(path).name][0] for path in chain]
    assert [one.key for one in seen.above(in_chain[-1])][:4] == [one.key for one in reversed(in_chain)]
    deleted = next(one for found in readers.values() for one in found if one.argv[1:2] == (b"gone",))
    assert deleted.exe_digest == blake3(program.read_bytes()).digest() and os.fsencode(gone) in deleted.exe


@pytest.mark.parametrize("way", WAYS)
def test_hundreds_of_short_processes_are_told_apart(
    vfs: Vfs, names: list[str], program: Path, mountpoint: Path, isolated: Path, way: str
) -> None:
    vfs("mount", "data", mountpoint, env=WAYS[way])
    run(program, "many", *(mountpoint / name for name in names))
    vfs("umount", mountpoint)
    seen = Seen(isolated / "state")
    told = {path: [one.argv for one in found] for path, found in seen.readers().items()}
    assert told == {name: [(os.fsencode(program), b"one", os.fsencode(mountpoint / name))] for name in names}
    assert not seen.gaps and len({one.parent for found in seen.readers().values() for one in found}) == 1


@pytest.mark.parametrize("way", WAYS)
def test_two_programs_at_once_and_a_random_one_on_one_mount(
    vfs: Vfs, names: list[str], mountpoint: Path, isolated: Path, way: str
) -> None:
    vfs("mount", "data", mountpoint, env=WAYS[way])
    logs = [isolated / f"log{seed}" for seed in (1, 2)]
    points = [str(mountpoint / name) for name in names]
    both = [
        subprocess.Popen([sys.executable, "-c", WANDERER, str(log), str(seed), *points])
        for seed, log in enumerate(logs, 1)
    ]
    assert [one.wait(LIMIT) for one in both] == [0, 0]
    vfs("umount", mountpoint)
    seen = Seen(isolated / "state")
    assert not seen.gaps
    told = [(seen.processes[key].pid, path) for key, path in seen.pairs()]
    assert len(told) == len(set(told))
    for log, one in zip(logs, both, strict=True):
        own = {process.key for process in seen.processes.values() if one.pid in {p.pid for p in seen.above(process)}}
        logged = {(int(pid), name) for pid, name in (line.split() for line in log.read_text().splitlines())}
        assert {(seen.processes[key].pid, path) for key, path in seen.pairs() if key in own} == logged


@pytest.mark.parametrize("way", WAYS)
def test_two_runs_at_once_record_their_own_reads(
    vfs: Vfs, names: list[str], program: Path, isolated: Path, way: str
) -> None:
    script = "{0} chain /pfs/data/{1} /pfs/data/{2} & cat /pfs/data/f000 > /pfs/out/x; wait; {3}"
    daemon = "setsid sh -c 'cat /pfs/data/f299 > /pfs/out/late; touch /pfs/out/ready; sleep 60' & "
    daemon += "while [ ! -e /pfs/out/ready ]; do sleep 0.02; done"
    scripts = {
        "one": script.format(program, *names[1:3], "true"),
        "two": script.format(program, *names[3:5], daemon),
    }
    command = [sys.executable, "-m", "vfs.cli.main", "run", "-i", "data", "-o"]
    environment = {**os.environ, **WAYS[way]}
    both = [
        subprocess.Popen([*command, out, "--", "sh", "-c", text], env=environment, stderr=subprocess.PIPE)
        for out, text in scripts.items()
    ]
    said = [one.communicate(timeout=LIMIT)[1].decode() for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert "outlived the command" in said[1] and "outlived the command" not in said[0]
    for out, own in (("one", names[1:3]), ("two", [*names[3:5], "f299"])):
        record = json.loads(vfs("show", "--json", out).stdout)["record"]
        argv = {process["key"]: process["argv"] for process in record["processes"]}
        told = {read["path"]: argv[read["process"]][:2] for read in record["reads"]}
        chained = {name: [str(program), "chain"] for name in own if name != "f299"}
        assert {name: words for name, words in told.items() if name in chained} == chained
        assert sorted(told) == sorted(["f000", *own]) and len(record["reads"]) == len(told)
        assert (record["level"], record["gaps"]) == (way, 0)
        assert {words[0] for name, words in told.items() if name in ("f000", "f299")} == {"cat"}
