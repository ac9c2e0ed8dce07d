"""Both ways of observing opens, as requests and as reports of the kernel, record the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vfs.control.client import Client
from vfs.control.registry import Registry
from vfs.journal.events import (
    AbsentSeen,
    Event,
    FirstSeen,
    Gap,
    ListedSeen,
    ProcessSeen,
    ReadsSeen,
    SessionStart,
    Watching,
)
from vfs.journal.log import Journal
from vfs.model.record import Process
from vfsd.eager import ONE_PROCESSOR

pytestmark = [pytest.mark.mount, pytest.mark.root]

Vfs = Callable[..., Any]
WAYS = {"open": {"VFSD_FANOTIFY": "0"}, "fanotify": {}}
FILES = 40
DIRECTORIES = [f"d{number}" for number in range(6)]
ORDINARY = 65534
EAGER = "next request looked for without sleep"

READER = r"""
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int count, char **words) {
    char first[1];
    for (int i = 2; i < count; i++) {
        int fd = open(words[i], O_RDONLY);
        if (fd < 0) return 1;
        if (!strcmp(words[1], "map")) {
            char *data = mmap(0, 1, PROT_READ, MAP_PRIVATE, fd, 0);
            close(fd);
            if (data == MAP_FAILED || data[0] == 'x') return 2;
        } else if (read(fd, first, 1) != 1) return 3;
    }
    return 0;
}
"""
PYTHON = "import sys; [open(name).read() for name in sys.argv[1:]]"
# Opens a file, and executes a program that is given it, twice over.
CHAIN = "exec 3< {0}; read line <&3; exec sh -c 'exec 4< {1}; read line <&4; exec cat {2}'"


def newest(state: Path) -> list[Event]:
    """What the journal says of the session that was begun last."""
    with Journal.open(state) as journal:
        events = [journal.event(record.seq) for record in journal.records()]
    session = [event.session for event in events if isinstance(event, SessionStart)][-1]
    return [event for event in events if event.session == session]


def facts(events: list[Event], kind: type[FirstSeen] = ReadsSeen) -> Counter[tuple[object, ...]]:
    """What was read, or listed, or not found, by whom: repo, commit, path, digest, program, arguments."""
    processes: dict[int, Process] = {
        event.process.key: event.process for event in events if isinstance(event, ProcessSeen)
    }
    found: Counter[tuple[object, ...]] = Counter()
    for event in [event for event in events if isinstance(event, kind)]:
        for key, source, path, digest in event.reads:
            reader = processes[key]
            found[*event.sources[source], path, digest, reader.exe, reader.exe_digest, reader.argv, reader.uid] += 1
    return found


def level(events: list[Event]) -> str:
    """How opens were observed in the end."""
    return [event.level for event in events if isinstance(event, Watching)][-1]


def daemon(vfs: Vfs, point: Path) -> dict[str, Any]:
    """What the daemon says of itself."""
    said: dict[str, Any] = json.loads(vfs("status", "--json", point).stdout)["mount"]["daemon"]
    return said


@pytest.fixture
def data(vfs: Vfs, repo: str, isolated: Path) -> list[str]:
    """Names of files committed to `data`."""
    source = isolated / "source"
    source.mkdir()
    names = [f"f{number:03}" for number in range(FILES)]
    for number, name in enumerate(names):
        (source / name).write_text(f"{number}\n" * (number * 50 + 1))
    for name in DIRECTORIES:
        (source / name).mkdir()
        (source / name / "file").write_text(name)
    vfs("put", repo, f"{source}/")
    return names


@pytest.fixture
def reader(isolated: Path) -> Path:
    """A program in C that reads or maps files."""
    program = isolated / "reader"
    (isolated / "reader.c").write_text(READER)
    subprocess.run(["cc", "-o", program, isolated / "reader.c"], timeout=60, check=True)
    return program


def read_in_every_way(point: Path, names: list[str], reader: Path) -> None:
    """Programs of all kinds; each reads files of its own, and one that others read."""
    at = [str(point / name) for name in names]

    def run(*words: str | Path, **more: Any) -> None:
        subprocess.run(words, stdout=subprocess.DEVNULL, timeout=30, check=True, **more)

    run(reader, "read", *at[:5], at[0])
    run(reader, "map", *at[3:8])
    run(sys.executable, "-c", PYTHON, *at[8:12])
    run("sh", "-c", f"while read line; do :; done < {at[12]}; cat {at[13]} {at[0]}")
    run("sh", "-c", f"cat < {at[14]}")
    with open(at[15], "rb") as file:
        run("cat", stdin=file)
    with open(at[16], "rb") as file:
        run("bash", "-c", f"cat <&{file.fileno()}", pass_fds=[file.fileno()])
    run("sh", "-c", CHAIN.format(*at[17:20]))
    run("bash", "-c", f"cat {at[20]} {at[21]} | sort - {at[22]} | tee /dev/null | wc; (cat {at[23]} & wait)")
    # By a name relative to the mount: the directories above are for root alone.
    run("setpriv", f"--reuid={ORDINARY}", "--clear-groups", "cat", names[24], cwd=point)


LIST = "import os, sys; print([list(os.scandir(name)) for name in sys.argv[1:]])"


def list_in_every_way(point: Path) -> None:
    """Programs that list the root, directories, and what is below them."""
    at = [str(point / name) for name in DIRECTORIES]

    def run(*words: str | Path, **more: Any) -> None:
        subprocess.run(words, stdout=subprocess.DEVNULL, timeout=30, check=True, **more)

    run("ls", point)
    run("ls", at[0], at[0])
    run(sys.executable, "-c", LIST, *at[1:3], *at[1:3])
    run("find", at[3], "-name", "nothing")
    run("sh", "-c", f"cd {at[4]}; echo *; exec ls .")
    run("setpriv", f"--reuid={ORDINARY}", "--clear-groups", "ls", DIRECTORIES[5], cwd=point)


def miss_in_every_way(point: Path) -> None:
    """Programs that look for what is not there; each name is asked for by the first of them alone."""

    def run(*words: str | Path, status: int = 0, **more: Any) -> None:
        said = subprocess.run(words, capture_output=True, timeout=30, check=False, **more)
        assert said.returncode == status

    run("sh", "-c", f"test -e {point}/no1 || cat {point}/no2", status=1)
    run(
        sys.executable, "-c", "import os, sys; print([os.path.exists(name) for name in sys.argv[1:]])", point / "d0/no3"
    )
    run("cat", point / "no4/below/it", status=1)
    run("cat", point / "no1", status=1)
    run("setpriv", f"--reuid={ORDINARY}", "--clear-groups", "test", "-e", "no5", cwd=point, status=1)


def test_the_same_reads_give_the_same_records(
    vfs: Vfs, data: list[str], reader: Path, mountpoint: Path, isolated: Path
) -> None:
    seen = {}
    for way, env in WAYS.items():
        vfs("mount", "--allow-other", "data", mountpoint, env=env)
        assert daemon(vfs, mountpoint)["lineage"] == way
        read_in_every_way(mountpoint, data, reader)
        list_in_every_way(mountpoint)
        miss_in_every_way(mountpoint)
        vfs("umount", mountpoint)
        events = newest(isolated / "state")
        assert level(events) == way and not [event for event in events if isinstance(event, Gap)]
        seen[way] = [facts(events, kind) for kind in (ReadsSeen, ListedSeen, AbsentSeen)]
    for of_requests, of_reports in zip(seen["open"], seen["fanotify"], strict=True):
        assert of_requests == of_reports
        assert max(of_requests.values()) == 1
    reads, listings, absences = seen["open"]
    assert {fact[2] for fact in reads} == {name.encode() for name in data[:25]}
    assert (
        {fact[7] for fact in reads} == {fact[7] for fact in listings} == {fact[7] for fact in absences} == {0, ORDINARY}
    )
    # The shell expands `*`, and `ls` lists what it expands it in once more.
    assert sorted(fact[2] for fact in listings) == [b"", b"d0", b"d1", b"d2", b"d3", b"d4", b"d4", b"d5"]
    assert sorted(fact[2] for fact in absences) == [b"d0/no3", b"no1", b"no2", b"no4", b"no5"]
    assert not any(fact[3] for fact in [*listings, *absences])
    assert {fact[6][0] for fact in absences if fact[2] == b"no1"} == {b"sh"}


def test_levers_say_what_is_on_and_why_not(vfs: Vfs, data: list[str], mountpoint: Path) -> None:
    names = ("open answered by the kernel", "opens reported by the kernel", "listings kept by the kernel")
    expected = {
        ("data",): ("on", "on", "on"),
        ("--all",): ("on", "on", "off: refs move"),
        ("--lineage=off", "data"): ("on", "off: no open is recorded", "on"),
        ("--rw", "data"): ("on", "on", "on"),
    }
    for words, levers in expected.items():
        vfs("mount", *words, mountpoint)
        said = daemon(vfs, mountpoint)["levers"]
        assert tuple(said[name] for name in names) == levers, words
        assert said[EAGER] == ("on" if len(os.sched_getaffinity(0)) > 1 else f"off: {ONE_PROCESSOR}")
        vfs("umount", mountpoint)
    vfs("mount", "data", mountpoint, env={"VFSD_SHIM": "0"})
    said = daemon(vfs, mountpoint)["levers"]
    assert {said[name] for name in (*names, EAGER)} == {"off: shim VFSD_SHIM is 0"}
    vfs("umount", mountpoint)


def use_and_change(point: Path, names: list[str], reader: Path) -> None:
    """Programs that read and list what is of the commit, and what was changed since."""
    at = [str(point / name) for name in names]

    def run(*words: str | Path) -> None:
        subprocess.run(words, stdout=subprocess.DEVNULL, timeout=30, check=True)

    run("sh", "-c", f"echo new > {point}/new; cat {at[0]} {point}/new")
    run(reader, "map", *at[1:3])
    run("sh", "-c", f"for name in {at[3]} {at[4]} {at[5]}; do cat $name; cat $name; done")
    # The overlay reads it for its copy; from there on it is no file of the commit.
    run("sh", "-c", f": > {at[6]}; cat {at[6]}")
    run("rm", at[7])
    run("ls", point / "d1")
    run("sh", "-c", f"echo more > {point}/d2/more; exec ls {point}/d2")
    run("sh", "-c", f"test -e {point}/d3/no || true")
    run("cat", at[8])


def test_a_writable_mount_records_what_is_read_below_it(
    vfs: Vfs, data: list[str], reader: Path, mountpoint: Path, isolated: Path
) -> None:
    seen = {}
    for way, env in WAYS.items():
        vfs("mount", "--rw", "data", mountpoint, env=env)
        assert daemon(vfs, mountpoint)["lineage"] == way
        use_and_change(mountpoint, data, reader)
        vfs("umount", mountpoint)
        vfs("discard", mountpoint)
        events = newest(isolated / "state")
        assert level(events) == way and not [event for event in events if isinstance(event, Gap)]
        seen[way] = [facts(events, kind) for kind in (ReadsSeen, ListedSeen, AbsentSeen)]
    assert seen["open"] == seen["fanotify"]
    reads, listings, absences = seen["open"]
    assert {fact[2] for fact in reads} == {name.encode() for name in [*data[:7], data[8]]}
    assert {fact[2] for fact in listings} == {b"d1", b"d2"}
    assert b"d3/no" in {fact[2] for fact in absences}


@pytest.mark.parametrize("way", WAYS)
def test_a_writable_mount_of_a_commit_without_files_has_opens_as_requests(
    vfs: Vfs, repo: str, mountpoint: Path, isolated: Path, way: str
) -> None:
    (isolated / "empty" / "below").mkdir(parents=True)
    vfs("put", repo, f"{isolated}/empty/")
    vfs("mount", "--rw", "data", mountpoint, env=WAYS[way])
    assert daemon(vfs, mountpoint)["lineage"] == "open"
    subprocess.run(["ls", mountpoint / "below"], timeout=10, check=True)
    vfs("umount", mountpoint)
    assert [fact[2] for fact in facts(newest(isolated / "state"), ListedSeen)] == [b"below"]


def test_opens_are_asked_for_once(vfs: Vfs, data: list[str], mountpoint: Path, isolated: Path) -> None:
    vfs("mount", "data", mountpoint)
    for name in data:
        subprocess.run(["cat", mountpoint / name], stdout=subprocess.DEVNULL, timeout=10, check=True)
    assert daemon(vfs, mountpoint)["operations"]["open"] == 1
    vfs("umount", mountpoint)
    assert len(facts(newest(isolated / "state"))) == FILES


def test_short_lived_processes_are_all_described(vfs: Vfs, data: list[str], mountpoint: Path, isolated: Path) -> None:
    vfs("mount", "data", mountpoint)
    each = f"for turn in 1 2 3 4 5; do for name in {mountpoint}/*; do cat $name; done; done > /dev/null"
    subprocess.run(["sh", "-c", each], timeout=60, check=True)
    vfs("umount", mountpoint)
    events = newest(isolated / "state")
    found = facts(events)
    assert sum(found.values()) == 5 * FILES
    assert {fact[6] for fact in found} == {(b"cat", os.fsencode(mountpoint / name)) for name in data}
    assert not [event for event in events if isinstance(event, Gap)]


ENDLESS = """
import os, sys
print("begun", flush=True)
while True:
    for name in sys.argv[1:]:
        os.close(os.open(name, os.O_RDONLY))
"""


def test_short_lived_processes_beside_a_bulk_reader(
    vfs: Vfs, data: list[str], reader: Path, mountpoint: Path, isolated: Path
) -> None:
    vfs("mount", "data", mountpoint)
    bulk = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, *[mountpoint / name for name in data]], stdout=subprocess.PIPE
    )
    assert bulk.stdout is not None and bulk.stdout.readline() == b"begun\n"
    for name in data:
        subprocess.run(["cat", mountpoint / name], stdout=subprocess.DEVNULL, timeout=10, check=True)
    bulk.kill()
    bulk.communicate(timeout=10)
    vfs("umount", mountpoint)
    events = newest(isolated / "state")
    reads = [read for event in events if isinstance(event, ReadsSeen) for read in event.reads]
    assert {read[2] for read in reads} == {name.encode() for name in data}
    gaps = [event for event in events if isinstance(event, Gap)]
    assert sum(gap.processes for gap in gaps) <= FILES // 2 and not sum(gap.count for gap in gaps)


def many(vfs: Vfs, isolated: Path, count: int) -> list[Path]:
    """Files committed to `data`, by their path in the mount."""
    source = isolated / "many"
    names = [f"d{number // 1000}/f{number % 1000}" for number in range(count)]
    for number in range(0, count, 1000):
        (source / f"d{number // 1000}").mkdir(parents=True)
    for name in names:
        (source / name).write_text(name)
    vfs("put", "data", f"{source}/")
    return [Path(name) for name in names]


BULK = "import os, sys; [os.close(os.open(line[:-1], os.O_RDONLY)) for line in sys.stdin]"


@pytest.mark.parametrize("words", [["vfs", "umount"], ["umount"]])
def test_unmounting_straight_after_reading(
    vfs: Vfs, repo: str, mountpoint: Path, isolated: Path, words: list[str]
) -> None:
    names = many(vfs, isolated, 20_000)
    vfs("mount", "data", mountpoint)
    listed = "".join(f"{mountpoint / name}\n" for name in names)
    for _ in range(2):
        subprocess.run([sys.executable, "-c", BULK], input=listed, text=True, timeout=60, check=True)
    begin = time.monotonic()
    if words[0] == "vfs":
        vfs("umount", mountpoint)
    else:
        while subprocess.run([*words, mountpoint], capture_output=True, timeout=20, check=False).returncode:
            assert time.monotonic() - begin < 2
            time.sleep(0.02)
        while os.listdir(isolated / "state" / "mounts") != [".lock"]:
            assert time.monotonic() - begin < 15
            time.sleep(0.02)
    events = newest(isolated / "state")
    assert {fact[2] for fact in facts(events)} == {bytes(name) for name in names}
    assert not [event for event in events if isinstance(event, Gap)]


def test_a_flush_covers_every_open_before_it(vfs: Vfs, data: list[str], mountpoint: Path, isolated: Path) -> None:
    vfs("mount", "data", mountpoint)
    mount = Registry(str(isolated / "state")).find(str(mountpoint))
    assert mount is not None
    with Client(mount.place) as client:
        for count in range(1, FILES):
            (mountpoint / data[count]).read_bytes()
            client.flush()
            assert len(facts(newest(isolated / "state"))) == count
    vfs("umount", mountpoint)


@pytest.mark.parametrize("way", WAYS)
def test_a_run_records_the_same_in_its_private_namespace(
    vfs: Vfs, data: list[str], reader: Path, isolated: Path, way: str
) -> None:
    script = (
        f"cat /pfs/data/{data[0]} > /pfs/out/copy; {reader} map /pfs/data/{data[1]}; exec cat < /pfs/data/{data[2]}"
    )
    vfs("run", "-i", "data", "-o", "out", "--", "sh", "-c", script, env=WAYS[way])
    record = json.loads(vfs("show", "--json", "out").stdout)["record"]
    assert (record["level"], record["gaps"]) == (way, 0)
    assert sorted(read["path"] for read in record["reads"]) == data[:3]
    assert all(read["process"] for read in record["reads"])
    assert b"not complete" not in vfs("lineage", "out").stdout


def test_an_ordinary_user_has_opens_as_requests(public_dir: Path, fuse_for_all: None) -> None:
    home, point = public_dir / "home", public_dir / "home" / "mnt"
    point.mkdir(parents=True)
    for path in (home, point):
        os.chown(path, ORDINARY, ORDINARY)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
        "VFS_STORE": f"file://{home}/store",
        "VFS_STATE_DIR": str(home / "state"),
        "VFS_CACHE_DIR": str(home / "cache"),
    }

    def vfs(*words: str | Path, input: bytes = b"") -> bytes:
        command = [sys.executable, "-P", "-c", "from vfs.cli.main import main; main()", *words]
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            timeout=60,
            check=True,
            user=ORDINARY,
            group=ORDINARY,
            extra_groups=[],
            cwd=home,
            env=environment,
            input=input,
        )
        return done.stdout

    vfs("init")
    vfs("repo", "create", "data")
    vfs("put", "data", "-", "--prefix", "file", input=b"content\n")
    vfs("mount", "data", point)
    said = json.loads(vfs("status", "--json", point))["mount"]["daemon"]
    assert said["lineage"] == "open"
    assert said["levers"]["opens reported by the kernel"] == "off: needs CAP_SYS_ADMIN outside of any user namespace"
    vfs("umount", point)
    vfs("run", "-i", "data", "-o", "out", "--", "sh", "-c", "cat /pfs/data/file > /pfs/out/copy")
    record = json.loads(vfs("show", "--json", "out"))["record"]
    assert (record["level"], [read["path"] for read in record["reads"]]) == ("open", ["file"])
