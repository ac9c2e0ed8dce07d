"""Which process wrote each output of a run and of a writable mount, and what a run opens elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from vfs.config.settings import load
from vfs.control.registry import Registry
from vfs.journal.own import own_inputs
from vfs.model.record import Output, Process, RunRecord
from vfs.model.revision import parse_revision
from vfs.repo.commits import read_record
from vfs.repo.library import Library
from vfs.repo.resolve import resolve

pytestmark = [pytest.mark.mount, pytest.mark.root]

Vfs = Callable[..., Any]
FILES = 12
PATIENCE = 45.0
ORDINARY = 65534

MAPPER = r"""
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int count, char **words) {
    char data[64] = {0};
    int in = open(words[1], O_RDONLY), out = open(words[2], O_RDWR | O_CREAT | O_TRUNC, 0644);
    ssize_t size = read(in, data, sizeof data);
    if (size <= 0 || ftruncate(out, size)) return 1;
    char *map = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, out, 0);
    close(out);
    if (map == MAP_FAILED) return 2;
    memcpy(map, data, size);
    return 0;
}
"""
WORKERS = """
import multiprocessing, os, sys
def work(number):
    with open(f"/pfs/data/f{number:02}") as given, open(f"/pfs/out/o{number:02}", "w") as made:
        made.write(given.read())
def forked(number):
    if os.fork() == 0:
        work(number)
        os._exit(0)
if __name__ == "__main__":
    count = int(sys.argv[1])
    for number in range(count // 2, count): forked(number)
    for _ in range(count - count // 2): os.wait()
    processes = [multiprocessing.Process(target=work, args=(number,)) for number in range(count // 2)]
    for one in processes: one.start()
    for one in processes: one.join()
"""


class Sealed:
    """The record of the last commit of a repo."""

    def __init__(self, repo: str) -> None:
        with Library.open(load().settings) as library:
            record = read_record(library, resolve(library, parse_revision(repo)).stored)
        assert record is not None
        self.record: RunRecord = record
        self._processes = {process.key: process for process in record.processes}
        self._outputs = {os.fsdecode(output.path): output for output in record.outputs}

    def output(self, path: str) -> Output:
        return self._outputs[path]

    def writer(self, path: str) -> Process:
        """The process that wrote `path`, which is known."""
        output = self._outputs[path]
        assert output.writer and output.at, path
        return self._processes[output.writer]

    def own(self, path: str) -> list[str]:
        """The paths of what `path` was made from, if it has inputs of its own."""
        own = own_inputs(self.record, path.encode())
        assert own.narrowed, (path, own.reason)
        return sorted({os.fsdecode(read.path) for read in own.reads})

    def writers(self) -> dict[str, tuple[bytes, ...]]:
        return {path: self.writer(path).argv for path, output in self._outputs.items() if output.digest}


@pytest.fixture
def data(vfs: Vfs, repo: str, isolated: Path) -> list[str]:
    """Names of files committed to `data`."""
    source = isolated / "source"
    source.mkdir()
    names = [f"f{number:02}" for number in range(FILES)]
    for number, name in enumerate(names):
        (source / name).write_text(f"number {number}\n")
    vfs("put", repo, f"{source}/")
    return names


def run(vfs: Vfs, script: str, *words: str, **more: Any) -> Any:
    return vfs("run", "-i", "data", "-o", "out", *words, "--", "bash", "-c", script, **more)


@pytest.fixture
def mapper(isolated: Path) -> Path:
    """A program in C that writes through a mapping alone."""
    (isolated / "mapper.c").write_text(MAPPER)
    subprocess.run(["cc", "-o", isolated / "mapper", isolated / "mapper.c"], timeout=60, check=True)
    return isolated / "mapper"


def test_outputs_say_who_wrote_them_and_point_at_their_own_inputs(vfs: Vfs, data: list[str], mapper: Path) -> None:
    run(
        vfs,
        f"""set -e
        cd /pfs/out
        cp /pfs/data/f00 copied
        cp /pfs/data/f01 part && mv part renamed
        {mapper} /pfs/data/f02 mapped
        echo old > over && cp /pfs/data/f03 fresh && mv fresh over
        cp /pfs/data/f04 linked && ln linked again
        mkdir below && ln -s copied symlink
        python3 -c 'import sys; sys.stdout.write(open("/pfs/data/f05").read())' > passed
        setsid cp /pfs/data/f06 left < /dev/null & wait
        (sleep 0.1; exec cp /pfs/data/f07 later) & wait
        cp /pfs/data/f08 twice && dd if=/pfs/data/f09 of=twice conv=notrunc oflag=append status=none
        cp /pfs/data/f10 emptied && truncate -s 0 emptied
        cp /pfs/data/f11 link && cat link > second && cp second chained
        """,
    )
    sealed = Sealed("out")
    assert sealed.record.gaps == 0
    wanted = {
        "copied": ("cp", ["f00"]),
        "renamed": ("cp", ["f01"]),
        "mapped": (mapper.name, ["f02"]),
        "over": ("cp", ["f03"]),
        "linked": ("cp", ["f04"]),
        "again": ("cp", ["f04"]),
        "left": ("cp", ["f06"]),
        "later": ("cp", ["f07"]),
        "twice": ("dd", ["f08", "f09"]),
        "emptied": ("truncate", ["f10"]),
        "chained": ("cp", ["f11"]),
    }
    found = {path: (os.path.basename(os.fsdecode(sealed.writer(path).argv[0])), sealed.own(path)) for path in wanted}
    assert found == wanted
    assert "f05" in sealed.own("passed")
    assert [(sealed.output(path).writer, sealed.output(path).at) for path in ("below", "symlink")] == [(0, 0)] * 2


def test_a_descriptor_that_was_handed_on_counts_for_who_opened_it(vfs: Vfs, data: list[str], isolated: Path) -> None:
    run(
        vfs,
        f"""
        bash -c 'cat /pfs/data/f00; exec cat /pfs/data/f01' > /pfs/out/both
        (cat /pfs/data/f04; (sleep 0.2; cat /pfs/data/f05; touch {isolated}/done) &) > /pfs/out/orphaned
        bash -c 'exec 5> /pfs/out/handed; cp /pfs/data/f02 /dev/fd/5; (exec cat /pfs/data/f03 >&5) & exec 5>&-; wait'
        until [ -e {isolated}/done ]; do sleep 0.05; done
        """,
    )
    sealed = Sealed("out")
    assert {"f00", "f01"} <= set(sealed.own("both"))
    assert {"f04", "f05"} <= set(sealed.own("orphaned"))
    assert {"f02", "f03"} <= set(sealed.own("handed"))
    assert sealed.writer("handed").argv[0] == b"bash"


def test_each_worker_has_written_its_own_file_from_its_own_input(vfs: Vfs, data: list[str], isolated: Path) -> None:
    script = isolated / "workers.py"
    script.write_text(WORKERS)
    vfs("run", "-i", "data", "-o", "out", "--", sys.executable, script, str(FILES))
    sealed = Sealed("out")
    assert sealed.record.gaps == 0
    assert len({sealed.output(f"o{number:02}").writer for number in range(FILES)}) == FILES
    own = {f"o{number:02}": sealed.own(f"o{number:02}") for number in range(FILES)}
    assert all(f"f{name[1:]}" in inputs for name, inputs in own.items())
    # Those of multiprocessing have pipes in common, by which any could have told another.
    assert [own[f"o{number:02}"] for number in range(FILES // 2, FILES)] == [[name] for name in data[FILES // 2 :]]


def test_all_that_a_burst_wrote_is_in_the_record(vfs: Vfs, data: list[str]) -> None:
    many = "for (1..3000) { open my $f, '>', qq{/pfs/out/m$_}; print $f $_ }"
    run(vfs, f'cat /pfs/data/f00; perl -e "{many.replace("$", chr(92) + "$")}"; cp /pfs/data/f01 /pfs/out/last')
    sealed = Sealed("out")
    argvs = sealed.writers()
    assert len(argvs) == 3001 and argvs.pop("last")[0] == b"cp"
    assert {argv[0] for argv in argvs.values()} == {b"perl"}
    assert sealed.record.gaps == 0


def test_two_runs_at_once_know_their_own_writers(vfs: Vfs, data: list[str], isolated: Path) -> None:
    meeting = "touch {0}/{1}; until [ -e {0}/{2} ]; do sleep 0.02; done; cp /pfs/data/{1} /pfs/out/{1}"
    with ExitStack() as running:
        started = [
            running.enter_context(begun("out" + mine, meeting.format(isolated, mine, other)))
            for mine, other in (("f00", "f01"), ("f01", "f00"))
        ]
        for process in started:
            assert process.wait(PATIENCE) == 0
    for name in ("f00", "f01"):
        sealed = Sealed("out" + name)
        assert sealed.writers() == {name: (b"cp", f"/pfs/data/{name}".encode(), f"/pfs/out/{name}".encode())}
        assert sealed.own(name) == [name]


@contextmanager
def begun(repo: str, script: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run on its way, ended with the context."""
    words = [sys.executable, "-c", "from vfs.cli.main import main; main()", "run", "-i", "data", "-o", repo]
    process = subprocess.Popen([*words, "--", "bash", "-c", script], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=PATIENCE)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def daemon_of(isolated: Path) -> int:
    (mount,) = [mount for mount in Registry(str(isolated / "state")).mounts() if mount.alive]
    said = mount.place.read_daemon()
    assert said is not None
    return said.pid


def waits_for_a_report(pid: int) -> bool:
    """Whether a program waits in the kernel for its open to be let go."""
    try:
        return (
            "fanotify" in Path(f"/proc/{pid}/wchan").read_text() or "fanotify" in Path(f"/proc/{pid}/stack").read_text()
        )
    except OSError:
        return False


@pytest.mark.parametrize("ending", ["goes on", "is killed"])
def test_a_program_does_not_wait_for_a_daemon_that_is_gone(
    vfs: Vfs, data: list[str], isolated: Path, ending: str
) -> None:
    script = "echo $$ > {0}/pid; until [ -e {0}/go ]; do sleep 0.02; done; echo x > /pfs/out/x; touch {0}/written; :"
    with begun("out", script.format(isolated)) as process:
        until(lambda: (isolated / "pid").exists() and (isolated / "pid").read_text() != "")
        daemon, program = daemon_of(isolated), int((isolated / "pid").read_text())
        os.kill(daemon, signal.SIGSTOP)
        try:
            (isolated / "go").touch()
            until(lambda: waits_for_a_report(program))
            assert not (isolated / "written").exists()
        finally:
            os.kill(daemon, signal.SIGCONT if ending == "goes on" else signal.SIGKILL)
        until(lambda: (isolated / "written").exists())
        assert process.wait(PATIENCE) == (0 if ending == "goes on" else 6)
    if ending == "goes on":
        assert Sealed("out").writer("x").argv[:2] == (b"bash", b"-c")
    else:
        (kept,) = (isolated / "state" / "runs").glob("*/out/x")
        assert kept.read_text() == "x\n"


def test_files_of_a_writable_mount_say_who_wrote_them(vfs: Vfs, data: list[str], mountpoint: Path) -> None:
    vfs("mount", "--rw", "data", mountpoint)
    script = """set -e
    cp f00 copied; cp f01 part; mv part renamed
    dd if=f02 of=f03 conv=notrunc oflag=append status=none
    mkdir new; cp f04 new/deep; mv new moved; chmod 600 f05
    """
    subprocess.run(["bash", "-c", script], cwd=mountpoint, timeout=PATIENCE, check=True)
    vfs("commit", mountpoint, "-m", "changed")
    sealed = Sealed("data")
    argvs = {path: sealed.writer(path).argv[0] for path in ("copied", "renamed", "f03", "moved/deep")}
    assert argvs == {"copied": b"cp", "renamed": b"cp", "f03": b"dd", "moved/deep": b"cp"}
    assert sealed.own("copied") == ["f00"] and sealed.own("moved/deep") == ["f04"]
    assert (sealed.output("f05").writer, sealed.output("moved").writer) == (0, 0)
    subprocess.run(["tee", mountpoint / "copied"], input=b"again\n", stdout=subprocess.DEVNULL, timeout=30, check=True)
    vfs("umount", mountpoint)
    vfs("commit", mountpoint, "-m", "changed again")
    assert Sealed("data").writer("copied").argv[0] == b"tee"


def test_what_is_opened_outside_of_the_inputs_is_listed_on_request(vfs: Vfs, data: list[str], isolated: Path) -> None:
    (isolated / "elsewhere.txt").write_text("undeclared\n")
    script = (
        f"cat /pfs/data/f00 {isolated}/elsewhere.txt > /pfs/out/both; echo t > {isolated}/own.tmp; test -e /proc/self"
    )
    run(vfs, script)
    assert Sealed("out").record.outside == ()
    run(vfs, script, "--trace-outside")
    sealed = Sealed("out")
    cat = [process.key for process in sealed.record.processes if process.argv[:1] == (b"cat",)]
    seen = {(opened.process, os.fsdecode(opened.path)) for opened in sealed.record.outside}
    assert (cat[0], str(isolated / "elsewhere.txt")) in seen and len(cat) == 1
    paths = {path for _, path in seen}
    assert str(isolated / "own.tmp") in paths
    assert not [path for path in paths if path.startswith(("/pfs", "/proc", "/sys")) or "/vfs/run/" in path]
    assert len(seen) == len(sealed.record.outside)
    setters = {process.key for process in sealed.record.processes if b"vfs.run.enter" in process.argv}
    assert setters and not [opened for opened in sealed.record.outside if opened.process in setters]
    assert sealed.own("both") == ["f00"]


def test_a_trace_that_is_not_possible_is_refused_before_anything_starts(
    vfs: Vfs, data: list[str], isolated: Path
) -> None:
    done = run(vfs, f"touch {isolated}/started", "--trace-outside", ok=False, env={"VFSD_FANOTIFY": "0"})
    assert done.returncode == 1 and b"nothing was started" in done.stderr
    dropped = ["setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups", "--inh-caps=-all"]
    code = "from vfs.run.watching import check_trace; check_trace()"
    path = os.pathsep.join(part for part in sys.path if part)
    alone = subprocess.run(
        [*dropped, sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, timeout=30, check=False
    )
    assert b"--trace-outside: needs root" in alone.stderr
    assert not (isolated / "started").exists()
