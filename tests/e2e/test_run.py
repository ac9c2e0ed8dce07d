"""Runs on real mounts, as root and as an ordinary user: what a command sees, what is kept, who gets which signal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mount

ORDINARY = 65534
LIMIT = 60.0


class Someone:
    """A user with a store of their own, a repo `data`, and the `vfs` command."""

    def __init__(self, place: Path, uid: int) -> None:
        self.place = place
        self.uid = uid
        self.home = place / "home"
        self.home.mkdir()
        self.work = place / "work"
        self.work.mkdir()
        for path in (self.home, self.work):
            os.chown(path, uid, uid)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "VFS_STORE": f"file://{self.home}/store",
            "VFS_STATE_DIR": str(self.home / "state"),
            "VFS_CACHE_DIR": str(self.home / "cache"),
            "VFS_AUTHOR": "tester@example.org",
        }

    @property
    def state(self) -> Path:
        return self.home / "state"

    def drop(self) -> list[str]:
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"] if self.uid else []

    def words(self, *words: str | bytes) -> list[str | bytes]:
        return [*self.drop(), sys.executable, "-P", "-c", "from vfs.cli.main import main; main()", *words]

    def vfs(
        self, *words: str | bytes, ok: bool | int = True, env: dict[str, str] | None = None, **given: Any
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            self.words(*words),
            capture_output=True,
            timeout=LIMIT,
            check=False,
            **{"cwd": self.work, "env": {**self.environment, **(env or {})}, "stdin": subprocess.DEVNULL, **given},
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        if ok is not False:
            assert done.returncode == (0 if ok is True else ok), done.stderr.decode()
        return done

    def start(self, *words: str | bytes, **given: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.words(*words),
            **{
                "cwd": self.work,
                "env": self.environment,
                "stdin": subprocess.DEVNULL,
                "stderr": subprocess.PIPE,
                **given,
            },
        )

    def script(self, text: str) -> str:
        path = self.work / "script.sh"
        path.write_text("#!/bin/bash\n" + text)
        path.chmod(0o755)
        return str(path)

    def run(self, text: str, **given: Any) -> subprocess.CompletedProcess[bytes]:
        """Run a shell script over `data`, to the repo `out`."""
        return self.vfs("run", "-i", "data", "-o", "out", "--", self.script(text), **given)

    def names(self, revision: str = "out") -> list[str]:
        return [entry["path"] for entry in json.loads(self.vfs("ls", "--json", "-R", revision).stdout)]

    def cat(self, revision: str) -> bytes:
        return self.vfs("cat", revision).stdout

    def kept(self, done: subprocess.CompletedProcess[bytes]) -> Path:
        match = re.search(rb"kept in (\S+)", done.stderr)
        assert match, done.stderr
        return Path(os.fsdecode(match[1]))

    def left(self) -> list[str]:
        """Mounts and daemons that are still there."""
        return self.mounts() + [name for name in os.listdir(self.state / "mounts") if not name.startswith(".")]

    def mounts(self) -> list[str]:
        table = Path("/proc/self/mountinfo").read_text().splitlines()
        return [line for line in table if str(self.place) in line]


@pytest.fixture(params=["root", "ordinary"])
def user(request: pytest.FixtureRequest, fuse_for_all: None) -> Iterator[Someone]:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become one user or the other")
    # Not below pytest's own directory, which every session closes to other users again.
    place = Path(tempfile.mkdtemp(prefix="vfs-run-"))
    place.chmod(0o755)
    try:
        yield prepared(Someone(place, 0 if request.param == "root" else ORDINARY))
    finally:
        for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
            if str(place) in line:
                subprocess.run(["umount", "-l", line.split()[4]], timeout=10, check=False, capture_output=True)
        shutil.rmtree(place)


def prepared(someone: Someone) -> Someone:
    source = someone.place / "source"
    (source / "sub").mkdir(parents=True)
    (source / "words").write_text("one two three\n")
    (source / "sub/more").write_text("four\n")
    subprocess.run(
        [*someone.drop(), sys.executable, "-P", "-c", PREPARE, source],
        env=someone.environment,
        check=True,
        timeout=LIMIT,
    )
    return someone


PREPARE = """
import sys
from vfs.config.settings import load
from vfs.model.revision import parse_revision
from vfs.repo.library import Library
from vfs.repo.put import put
from vfs.repo.repos import create_repo
from vfs.repo.sources import parse_source
with Library.create(load().settings) as library:
    create_repo(library, "data")
    put(library, parse_revision("data"), [parse_source(sys.argv[1] + "/")])
"""


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + LIMIT
    while not path.exists():
        assert process.poll() is None, process.communicate(timeout=5)
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.02)


def wait_until(condition: Callable[[], bool], what: str, limit: float = 45.0) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def test_what_a_command_sees_and_what_is_committed(user: Someone) -> None:
    done = user.run(
        """
        set -e
        id -u; pwd
        cat /pfs/data/words "$VFS_INPUT_DATA/sub/more"
        ls /pfs; echo "$VFS_OUT $VFS_INPUTS"
        ls -A "$VFS_OUT" | wc -l
        mkdir -p /pfs/out/a/empty; cp /pfs/data/words /pfs/out/a/; ln -s a/words /pfs/out/link
        chmod 640 /pfs/out/a/words; touch -d '2001-02-03 04:05:06.789' /pfs/out/a/words
        ! touch /pfs/data/x 2>/dev/null; ! touch /pfs/x 2>/dev/null
        """
    )
    lines = done.stdout.decode().split("\n")
    assert lines[:9] == [
        str(user.uid), str(user.work), "one two three", "four", "data", "out", "/pfs/out /pfs/data", "0", "",
    ]  # fmt: skip
    assert sorted(user.names()) == ["a", "a/empty", "a/words", "link"]
    (shown,) = json.loads(user.vfs("stat", "--json", "out:a/words").stdout)
    assert shown["mode"] in ("0640", "640", 0o640) and user.cat("out:a/words") == b"one two three\n"
    record = json.loads(user.vfs("show", "--json", "out").stdout)
    assert [item["repo"] for item in record["inputs"]] == ["data"]
    assert {read["path"] for read in record["record"]["reads"]} == {"sub/more", "words"}
    assert sorted(made["path"] for made in record["record"]["outputs"]) == ["a", "a/empty", "a/words", "link"]
    assert record["record"]["exit_code"] == 0
    assert user.left() == [] and os.listdir(user.state / "runs") == []
    assert not Path("/pfs").exists()


def test_the_tree_of_the_branch_is_replaced_by_what_the_run_wrote(user: Someone) -> None:
    user.run("echo 1 > /pfs/out/first")
    user.run("echo 2 > /pfs/out/second")
    assert user.names() == ["second"] and user.names("out~1") == ["first"]


def test_streams_descriptors_and_environment_pass_unchanged(user: Someone) -> None:
    environment = {**user.environment, "ODD": "a\nb", "LANG": "C"}
    command = [shutil.which("env") or "env", "-0"]
    plain = subprocess.run(command, env=environment, capture_output=True, timeout=LIMIT, check=True).stdout
    done = user.vfs("run", "-i", "data", "-o", "out", "--", *command, env={"ODD": "a\nb", "LANG": "C"})
    extra = {b"VFS_OUT=/pfs/out", b"VFS_INPUTS=/pfs/data", b"VFS_INPUT_DATA=/pfs/data"}
    assert set(done.stdout.split(b"\0")) - set(plain.split(b"\0")) == extra
    assert set(plain.split(b"\0")) <= set(done.stdout.split(b"\0"))
    reader, writer = os.pipe()
    os.write(writer, b"from a descriptor")
    os.close(writer)
    os.set_inheritable(reader, True)
    given = f"cat; cat <&{reader} >&2; ls /proc/self/fd | wc -l"
    done = user.vfs(
        "run",
        "-i",
        "data",
        "-o",
        "out",
        "--",
        "bash",
        "-c",
        given,
        input=b"from stdin|",
        pass_fds=(reader,),
        stdin=None,
    )
    os.close(reader)
    # 0, 1, 2, ours, and the one that ls opens.
    assert done.stdout == b"from stdin|5\n" and b"from a descriptor" in done.stderr


@pytest.mark.parametrize(("command", "status"), [("exit 3", 3), ("kill -TERM $$", 143), ("kill -SEGV $$", 139)])
def test_a_command_that_fails_commits_nothing_and_what_it_wrote_is_kept(
    user: Someone, command: str, status: int
) -> None:
    done = user.run(f"echo half > /pfs/out/half; {command}", ok=status)
    assert (user.kept(done) / "half").read_text() == "half\n"
    assert user.vfs("ls", "out", ok=False).returncode == 1
    assert user.left() == []


def test_a_command_that_cannot_be_executed(user: Someone) -> None:
    done = user.vfs("run", "-i", "data", "-o", "out", "--", "/no/such/program", ok=127)
    assert b"/no/such/program: command not found" in done.stderr
    (user.work / "text").write_text("not a program")
    done = user.vfs("run", "-i", "data", "-o", "out", "--", "./text", ok=126)
    assert b"./text: cannot be executed: permission denied" in done.stderr
    if user.uid:
        done = user.vfs("run", "--max-size", "1GiB", "-i", "data", "-o", "out", "--", "true", ok=6)
        assert b"max-size: as root only: " in done.stderr
    assert os.listdir(user.state / "runs") == []


# Not in a shell: bash runs a trap within the text it is parsing, and may then not find the end of either.
COUNTER = """
import os, pathlib, signal, time
got = []
def count(*_):
    got.append(1)
    pathlib.Path("{work}/counting").write_text(f"{{len(got)}}\\n")
    os.replace("{work}/counting", "{work}/count")
signal.signal(signal.SIG{signal}, count)
pathlib.Path("{work}/ready").touch()
for _ in range(200):
    time.sleep(0.05)
    if os.path.exists("{work}/go"):
        break
pathlib.Path("/pfs/out/done").write_text("done\\n")
"""


@pytest.mark.parametrize(
    ("user", "name", "whole_group"),
    [
        ("root", "INT", False),
        ("root", "INT", True),
        ("root", "TERM", False),
        ("root", "HUP", False),
        ("root", "QUIT", True),
        ("ordinary", "TERM", False),
        ("ordinary", "INT", True),
    ],
    indirect=["user"],
)
def test_a_signal_reaches_the_command_exactly_once(user: Someone, name: str, whole_group: bool) -> None:
    """Sent to `vfs run` alone it is passed on; sent to the group, as by Ctrl-C, it is not passed on a second time."""
    script = user.work / "counter.py"
    script.write_text(COUNTER.format(work=user.work, signal=name))
    number = getattr(signal, f"SIG{name}")
    # Whoever started the tests may ignore it, as nohup does; a run would go on to ignore it.
    before = signal.signal(number, signal.SIG_DFL)
    process = user.start("run", "-i", "data", "-o", "out", "--", sys.executable, str(script), start_new_session=True)
    signal.signal(number, before)
    try:
        wait_for(user.work / "ready", process)
        if whole_group:
            os.killpg(process.pid, number)
        else:
            os.kill(process.pid, number)
        wait_for(user.work / "count", process)
        time.sleep(0.3)
        assert (user.work / "count").read_text() == "1\n"
        (user.work / "go").touch()
        _, said = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert user.names() == ["done"]


def test_processes_that_outlive_the_command_are_ended_and_write_nothing_more(user: Someone) -> None:
    done = user.run(
        f"""
        echo early > /pfs/out/early
        setsid sh -c 'trap "" TERM; echo $$ > {user.work}/stubborn; sleep 1000 & wait; sleep 1000' &
        (sleep 0.1; setsid nohup sh -c 'echo $$ > {user.work}/quiet; exec sleep 1000') >/dev/null 2>&1 &
        sleep 0.5
        """
    )
    assert b"outlived the command" in done.stderr
    for name in ("stubborn", "quiet"):
        pid = int((user.work / name).read_text())
        assert not Path(f"/proc/{pid}").exists(), name
    assert user.names() == ["early"] and user.left() == []


def test_the_daemon_dies_under_the_command(user: Someone) -> None:
    script = user.script(
        f"""
        echo part > /pfs/out/part; touch {user.work}/ready
        for i in $(seq 200); do [ -e {user.work}/go ] && break; sleep 0.05; done
        cat /pfs/data/sub/more 2>{user.work}/said; exit {{status}}
        """.replace("{status}", "0")
    )
    process = user.start("run", "-i", "data", "-o", "out", "--", script)
    try:
        wait_for(user.work / "ready", process)
        (place,) = [path for path in (user.state / "mounts").iterdir() if not path.name.startswith(".")]
        os.kill(json.loads((place / "daemon.json").read_text())["pid"], signal.SIGKILL)
        (user.work / "go").touch()
        _, said = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    assert process.returncode == 6 and b"the mount of the inputs died under the command; nothing was committed" in said
    # The first request after its death may have been under way: that one is aborted.
    assert re.search(rb"not connected|connection abort", (user.work / "said").read_bytes())
    kept = re.search(rb"kept in (\S+)", said)
    assert kept and (Path(os.fsdecode(kept[1])) / "part").read_text() == "part\n"
    assert user.left() == [] and user.vfs("ls", "out", ok=False).returncode == 1


def test_the_runner_is_killed(user: Someone) -> None:
    """The command is asked to end, its inputs are unmounted by their daemon, and nothing is committed."""
    script = user.script(
        f"""
        trap 'echo asked > {user.work}/asked; exit 1' TERM
        echo part > /pfs/out/part; echo $$ > {user.work}/ready
        for i in {{1..600}}; do sleep 0.05; done
        """
    )
    process = user.start("run", "-i", "data", "-o", "out", "--", script)
    wait_for(user.work / "ready", process)
    process.kill()
    process.communicate(timeout=LIMIT)
    pid = int((user.work / "ready").read_text())
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the command goes on")
    assert (user.work / "asked").read_text() == "asked\n"
    wait_until(lambda: not user.mounts(), "the inputs are still mounted")
    (place,) = (user.state / "runs").iterdir()
    assert (place / "out/part").read_text() == "part\n"
    user.run("echo fine > /pfs/out/fine")
    assert user.names() == ["fine"] and (place / "out/part").exists()


def test_two_runs_to_one_branch_conflict_where_they_wrote_the_same(user: Someone) -> None:
    user.run("echo 0 > /pfs/out/x")
    slow = user.script(
        f"touch {user.work}/ready; for i in $(seq 400); do [ -e {user.work}/go ] && break; sleep 0.05; done\n"
        "echo slow > /pfs/out/x"
    )
    process = user.start("run", "-i", "data", "-o", "out", "--", slow)
    try:
        wait_for(user.work / "ready", process)
        user.vfs("run", "-i", "data", "-o", "out", "--", "sh", "-c", "echo quick > /pfs/out/x")
        (user.work / "go").touch()
        _, said = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    assert process.returncode == 4 and re.search(rb"out@main: .*: x.*kept in ", said), said
    assert user.cat("out:x") == b"quick\n" and user.left() == []


@pytest.mark.parametrize("user", ["root"], indirect=True)
def test_a_run_within_a_run(user: Someone) -> None:
    """/pfs exists inside a run: there the inner inputs are shown in its place, and the outer ones again afterwards.

    Not for an ordinary user, who cannot mount within a user namespace: fusermount3 is not root there.
    """
    words = " ".join(f"'{word}'" for word in [sys.executable, "-P", "-c", "from vfs.cli.main import main; main()"])
    done = user.run(
        f"""
        set -e
        {words} run -i inner=data:sub -o within -- sh -c 'ls /pfs /pfs/inner; cat /pfs/inner/more > /pfs/out/m'
        ls /pfs; cp /pfs/data/words /pfs/out/w
        """
    )
    assert done.stdout.decode().split() == ["/pfs:", "inner", "out", "/pfs/inner:", "more", "data", "out"]
    assert user.cat("within:m") == b"four\n" and user.cat("out:w") == b"one two three\n"


@pytest.mark.parametrize("user", ["root"], indirect=True)
def test_a_compiled_program_and_ten_thousand_files(user: Someone) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler")
    source = user.work / "many.c"
    source.write_text(
        """
        #include <stdio.h>
        #include <sys/stat.h>
        int main(void) {
            char path[64];
            for (int d = 0; d < 100; d++) {
                snprintf(path, sizeof path, "/pfs/out/%d", d);
                if (mkdir(path, 0755)) return 1;
                for (int f = 0; f < 100; f++) {
                    snprintf(path, sizeof path, "/pfs/out/%d/%d", d, f);
                    FILE *file = fopen(path, "w");
                    if (!file) return 2;
                    fprintf(file, "%d\\n", d * f);
                    fclose(file);
                }
            }
            return 0;
        }
        """
    )
    subprocess.run(["gcc", "-O1", "-o", str(user.work / "many"), str(source)], check=True, timeout=LIMIT)
    user.vfs("run", "-i", "data", "-o", "out", "--", "./many")
    assert user.cat("out:99/99") == b"9801\n"
    assert len(user.names()) == 10_100


def test_ctrl_c_and_ctrl_z_at_a_terminal(user: Someone) -> None:
    """Stopped and continued by the shell like any job; interrupted once, with the status of an interrupt."""
    words = " ".join(f"'{word}'" for word in user.words())
    parent, child = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        stdin=child, stdout=child, stderr=child, cwd=user.work, env={**user.environment, "PS1": "$ ", "TERM": "dumb"},
        start_new_session=True, preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
    )  # fmt: skip
    os.close(child)
    heard = bytearray()

    def hear(expected: bytes) -> None:
        end = time.monotonic() + LIMIT
        while expected not in heard:
            assert time.monotonic() < end, bytes(heard)
            if select.select([parent], [], [], 0.2)[0]:
                heard.extend(os.read(parent, 4096))
        del heard[: heard.index(expected) + len(expected)]

    try:
        script = user.script(
            f"trap 'echo caught; n=1' INT; touch {user.work}/ready\nn=0; while [ $n = 0 ]; do sleep 0.05; done; exit 9"
        )
        os.write(parent, f"{words} run -i data -o out -- {script}\n".encode())
        wait_for(user.work / "ready", shell)
        os.write(parent, b"\x1a")
        hear(b"Stopped")
        os.write(parent, b"fg\n")
        time.sleep(0.3)
        os.write(parent, b"\x03")
        hear(b"caught")
        hear(b"ended with status 9")
        os.write(parent, b"echo status $?\n")
        hear(b"status 9")
        os.write(parent, b"exit\n")
        shell.wait(timeout=LIMIT)
    finally:
        shell.kill()
        os.close(parent)
    assert user.left() == []
