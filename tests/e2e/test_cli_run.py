"""`vfs run` as a command: streams, exit codes, messages, Ctrl-C. What it commits is tested elsewhere too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]

pytestmark = pytest.mark.mount


@pytest.fixture
def repo(vfs: Vfs) -> str:
    """The repo `data` with one file."""
    vfs("init")
    vfs("repo", "create", "data")
    vfs("put", "data", "-", "--prefix", "words", input=b"one two three\n")
    return "data"


def parsed(done: subprocess.CompletedProcess[bytes]) -> Any:
    return json.loads(done.stdout)


def test_a_run_commits_and_leaves_standard_output_to_the_command(vfs: Vfs, repo: str) -> None:
    script = "wc -w < /pfs/data/words | tee $VFS_OUT/n"
    done = vfs("run", "-i", repo, "-o", "counts", "-m", "counted", "--", "sh", "-c", script)
    assert done.stdout == b"3\n"
    said = done.stderr.decode().splitlines()
    assert said[0] == "repo counts created" and said[1].startswith("counts@main is now ")
    assert vfs("cat", "counts:n").stdout == b"3\n"
    shown = parsed(vfs("show", "--json", "counts"))
    assert shown["message"] == "counted" and shown["inputs"][0]["repo"] == repo
    assert [read["path"] for read in shown["record"]["reads"]] == ["words"]
    assert b"words" in vfs("lineage", "counts:n").stdout


def test_inputs_can_be_named_and_given_at_any_revision(vfs: Vfs, repo: str, isolated: Path) -> None:
    (isolated / "words").write_text("four\n")
    vfs("put", repo, isolated / "words")
    command = ("cat", "/pfs/old/words", "/pfs/data/words")
    done = vfs("run", "-i", f"old={repo}~1", "-i", repo, "-o", "out@side", "--", *command)
    assert done.stdout == b"one two three\nfour\n"
    assert vfs("log", "--oneline", "out@side").stdout.count(b"\n") == 1


def test_a_command_that_fails_commits_nothing_and_its_status_is_ours(vfs: Vfs, repo: str) -> None:
    done = vfs("run", "-i", repo, "-o", "out", "--", "sh", "-c", "echo half > /pfs/out/half; exit 7", ok=False)
    assert done.returncode == 7
    last = done.stderr.decode().splitlines()[-1]
    assert last.startswith(
        "vfs: run: the command ended with status 7; nothing was committed; what it wrote is kept in "
    )
    assert (Path(last.rpartition(" ")[2]) / "half").read_text() == "half\n"
    assert [found["name"] for found in parsed(vfs("repo", "list", "--json"))] == [repo]


def test_a_command_that_is_killed_or_not_found(vfs: Vfs, repo: str) -> None:
    assert vfs("run", "-i", repo, "-o", "out", "--", "sh", "-c", "kill -9 $$", ok=False).returncode == 137
    assert vfs("run", "-i", repo, "-o", "out", "--", "no-such-program", ok=False).returncode == 127


def test_options_after_the_command_are_its_own(vfs: Vfs, repo: str) -> None:
    done = vfs("run", "-i", repo, "-o", "out", "printf", "%s|", "-i", "--help", "-o")
    assert done.stdout == b"-i|--help|-o|"
    assert parsed(vfs("show", "--json", "out"))["message"] == "printf '%s|' -i --help -o"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "-o", "out", "--", "true"), 2, "missing option '-i'"),
        (("run", "-i", "data", "--", "true"), 2, "missing option '-o'"),
        (("run", "-i", "data", "-o", "out"), 2, "missing argument"),
        (("run", "-i", "data", "-o", "out", "--", ""), 2, "no command"),
        (("run", "-i", "none", "-o", "out", "--", "true"), 1, "repo none"),
        (("run", "-i", "data:none", "-o", "out", "--", "true"), 1, "no such path"),
        (("run", "-i", "out=data", "-o", "out", "--", "true"), 2, "taken by the output"),
        (("run", "-i", "data", "-i", "data", "-o", "out", "--", "true"), 2, "NAME=REV"),
        (("run", "-i", "data", "-o", "out:path", "--", "true"), 2, "not to a path"),
    ],
)
def test_what_cannot_be_run_is_said_and_makes_no_repo(
    vfs: Vfs, repo: str, words: tuple[str, ...], code: int, said: str
) -> None:
    done = vfs(*words, ok=False)
    assert done.returncode == code and said.encode() in done.stderr and done.stderr.count(b"\n") == 1
    assert [found["name"] for found in parsed(vfs("repo", "list", "--json"))] == ["data"]


def test_ctrl_c_reaches_the_command_and_nothing_is_committed(vfs: Vfs, repo: str, isolated: Path) -> None:
    ready = isolated / "ready"
    script = f"echo part > /pfs/out/part; touch {ready}; sleep 60"
    words = [sys.executable, "-m", "vfs.cli.main", "run", "-i", repo, "-o", "out", "--", "sh", "-c", script]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        deadline = time.monotonic() + 40
        while not ready.exists():
            assert process.poll() is None, process.communicate(timeout=5)
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # As a terminal does it: the whole group gets the signal.
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert b"nothing was committed" in said and b"Traceback" not in said
    assert parsed(vfs("mounts", "--json")) == []
    assert [found["name"] for found in parsed(vfs("repo", "list", "--json"))] == [repo]
