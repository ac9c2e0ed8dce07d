"""`vfs rerun` and `vfs explain`: a run once more, and why two commits are not the same."""

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

COUNT = "wc -w < /pfs/data/words > $VFS_OUT/n; mkdir -p $VFS_OUT/d; cp /pfs/data/words $VFS_OUT/d/w; ln -s d $VFS_OUT/l"
RANDOM = "printf abc > /pfs/out/r; head -c 40 /dev/urandom >> /pfs/out/r; echo same > /pfs/out/s"


@pytest.fixture
def repo(vfs: Vfs, isolated: Path) -> str:
    """The repo `data` with two files."""
    vfs("init")
    vfs("repo", "create", "data")
    (isolated / "words").write_bytes(b"one two three\n")
    (isolated / "other").write_bytes(b"nobody reads this\n")
    vfs("put", "data", isolated / "words", isolated / "other")
    return "data"


def made(vfs: Vfs, script: str, *words: str, output: str = "out", **more: Any) -> str:
    """The commit that `vfs run` makes with a script for sh."""
    vfs("run", *(words or ("-i", "data")), "-o", output, "--", "sh", "-c", script, **more)
    return head(vfs, output)


def head(vfs: Vfs, revision: str) -> str:
    return str(parsed(vfs("show", "--json", revision))["commit"])


def parsed(done: subprocess.CompletedProcess[bytes]) -> Any:
    return json.loads(done.stdout)


def verdicts(done: subprocess.CompletedProcess[bytes]) -> dict[str, str]:
    return {one["path"]: one["verdict"] for one in parsed(done)["outputs"]}


def branches(vfs: Vfs, repo: str) -> dict[str, str]:
    return {one["name"]: one["commit"] for one in parsed(vfs("branch", "list", "--json", repo))}


def nothing_is_left(vfs: Vfs, isolated: Path) -> bool:
    return not parsed(vfs("mounts", "--json")) and str(isolated) not in Path("/proc/self/mountinfo").read_text()


def test_a_program_that_always_does_the_same_is_identical(vfs: Vfs, repo: str, isolated: Path) -> None:
    commit = made(vfs, f"{COUNT}; echo said")
    store = sorted(path for path in (isolated / "store").rglob("*") if path.is_file())
    done = vfs("rerun", "out", "--verify")
    assert done.stdout.decode().splitlines() == [
        "identical  d", "identical  l", "identical  n", "identical  d/w", "4 outputs: 4 identical",
    ]  # fmt: skip
    assert done.stderr == b"said\n"
    assert branches(vfs, "out") == {"main": commit} and nothing_is_left(vfs, isolated)
    assert os.listdir(isolated / "state" / "runs") == []
    assert sorted(path for path in (isolated / "store").rglob("*") if path.is_file()) == store


def test_a_random_program_differs_from_the_first_random_byte_on(vfs: Vfs, repo: str) -> None:
    made(vfs, RANDOM)
    done = vfs("rerun", "out", "--verify", "--json", ok=False)
    assert done.returncode == 1
    found = parsed(done)
    # One in 256 runs has the first random byte in common, and so on.
    assert next(one["first_byte"] for one in found["outputs"]) in range(3, 12)
    assert verdicts(done) == {"r": "different", "s": "identical"} and found["identical"] is False
    assert found["counts"]["different"] == 1 and found["made"] is None


def test_each_way_in_which_an_output_can_come_out(vfs: Vfs, repo: str, isolated: Path) -> None:
    flag = isolated / "second"
    script = (
        f"cd /pfs/out; if [ ! -e {flag} ]; then echo a > gone; echo b > shape; echo c > rights; ln -s x link; "
        "head -c 3000000 /dev/zero > long; else echo a > new; mkdir shape; echo c > rights; chmod 600 rights; "
        "ln -s y link; head -c 2999999 /dev/zero > long; printf x >> long; mkfifo pipe; fi; echo d > same"
    )
    made(vfs, script)
    flag.touch()
    done = vfs("rerun", "out", "--verify", "--json", ok=False)
    assert done.returncode == 1
    assert verdicts(done) == {
        "gone": "missing", "new": "extra", "shape": "kind", "rights": "mode", "link": "different", "long": "different",
        "same": "identical",
    }  # fmt: skip
    assert {one["path"]: one["first_byte"] for one in parsed(done)["outputs"]}["long"] == 2999999
    details = {one["path"]: one["detail"] for one in parsed(done)["outputs"]}
    assert details["rights"] == "mode 0644, now 0600" and details["shape"] == "file, now directory"
    counts = {"identical": 1, "different": 2, "missing": 1, "extra": 1, "kind": 1, "mode": 1}
    assert parsed(done)["counts"] == counts


def test_no_branch_moves_that_was_not_named(vfs: Vfs, repo: str) -> None:
    first = made(vfs, RANDOM)
    vfs("tag", "create", "out@v1")
    done = vfs("rerun", "out@v1")
    own = f"rerun-{first[:12]}"
    found = branches(vfs, "out")
    assert found["main"] == first and set(found) == {"main", own}
    assert f"out@{own} is now".encode() in done.stderr and b"different" in done.stdout
    again = parsed(vfs("show", "--json", f"out@{own}"))
    assert again["parents"] == [first] and again["message"].startswith(f"rerun of out@{first[:12]}: sh -c")
    vfs("rerun", "out@v1")
    assert parsed(vfs("show", "--json", f"out@{own}"))["parents"] == [again["commit"]]
    vfs("rerun", "out@v1", "-o", "out")
    assert parsed(vfs("show", "--json", "out"))["parents"] == [first]


def test_onto_another_commit_of_an_input(vfs: Vfs, repo: str) -> None:
    script = "cat /pfs/old/words /pfs/data/words > /pfs/out/both"
    made(vfs, script, "-i", "old=data@main", "-i", "data")
    vfs("put", "data", "-", "--prefix", "words", input=b"four\n")
    done = vfs("rerun", "out", "--onto", "data", ok=False)
    assert done.returncode == 2 and b"choose one with NAME=REV: old = data, data = data" in done.stderr
    done = vfs("rerun", "out", "--onto", "data=data", "-o", "out")
    assert b"different  both  (from byte 14 on" in done.stdout
    assert vfs("cat", "out:both").stdout == b"one two three\nfour\n"
    assert [given["commit"] for given in parsed(vfs("show", "--json", "out"))["inputs"]] == [
        head(vfs, "data~1"), head(vfs, "data"),
    ]  # fmt: skip
    assert b"no input called nobody" in vfs("rerun", "out", "--onto", "nobody=data", ok=False).stderr


def test_what_was_shown_of_an_input_is_shown_again(vfs: Vfs, repo: str, isolated: Path) -> None:
    vfs("put", "data", "-", "--prefix", "deep/dir/file", input=b"deep\n")
    made(vfs, "cat /pfs/in/file /pfs/one > /pfs/out/x", "-i", "in=data:deep/dir", "-i", "one=data:words")
    assert parsed(vfs("rerun", "out", "--verify", "--json"))["identical"] is True


def test_the_recorded_environment_and_directory_are_those_of_the_run(vfs: Vfs, repo: str, isolated: Path) -> None:
    place = isolated / "place"
    place.mkdir()
    script = 'echo "$TZ:${PYTHONHASHSEED-unset}:$OTHER" > /pfs/out/e; pwd > /pfs/out/p'
    made(vfs, script, cwd=place, env={"TZ": "Asia/Tokyo", "OTHER": "then"})
    now = {"TZ": "Europe/Paris", "PYTHONHASHSEED": "7", "OTHER": "then"}
    done = vfs("rerun", "out", "--verify", "--strict", env=now)
    assert b"2 outputs: 2 identical" in done.stdout
    assert b"variable TZ: has another value now; the recorded value is used" in done.stderr
    assert b"variable PYTHONHASHSEED: was not set; the recorded value is used" in done.stderr
    done = vfs("rerun", "out", "--verify", "--environment", "present", "--json", env=now, ok=False)
    assert verdicts(done) == {"e": "different", "p": "identical"}
    refused = vfs("rerun", "out", "--verify", "--environment", "present", "--strict", env=now, ok=False)
    assert refused.returncode == 1 and b"2 things not as at the first run; it was not started" in refused.stderr
    place.rmdir()
    gone = vfs("rerun", "out", "--verify", ok=False)
    assert gone.returncode == 1 and b"--cwd DIR says where to run it" in gone.stderr and gone.stderr.count(b"\n") == 1


def test_a_program_that_was_replaced_is_told_before_the_run(vfs: Vfs, repo: str, isolated: Path) -> None:
    program = isolated / "program"
    program.write_bytes(Path("/bin/cat").read_bytes())
    program.chmod(0o755)
    made(vfs, f"{program} /pfs/data/words > /pfs/out/w")
    program.write_bytes(Path("/bin/cat").read_bytes() + b"\n")
    done = vfs("rerun", "out", "--verify")
    assert f"{program}: is not the program that ran then".encode() in done.stderr
    program.unlink()
    done = vfs("rerun", "out", "--verify", "--", "sh", "-c", "cat /pfs/data/words > /pfs/out/w")
    assert b"is not there any more" in done.stderr and b"1 identical" in done.stdout


def test_what_cannot_be_repeated_is_said(vfs: Vfs, repo: str) -> None:
    made(vfs, "echo 1 > /pfs/out/one")
    for words, code, said in (
        (("data",), 1, "was made by put, not by a run, so there is no command to repeat"),
        (("out:one",), 2, "a whole run is repeated, not one path of it"),
        (("out", "--verify", "-o", "x"), 2, "--verify commits nothing"),
        (("none",), 1, "repo none"),
        (("out", "--verify", "--onto", "data:nowhere"), 1, "no such path"),
        (("out", "--verify", "--cwd", "/nowhere"), 1, "not a directory"),
    ):
        done = vfs("rerun", *words, ok=False)
        assert done.returncode == code and said.encode() in done.stderr, (words, done)
        assert done.stderr.count(b"\n") == 1 and not done.stdout
    failed = vfs("rerun", "out", "--verify", "--", "sh", "-c", "exit 3", ok=False)
    assert failed.returncode == 3 and b"nothing was compared or committed" in failed.stderr


def test_a_masked_command_is_given_anew(vfs: Vfs, repo: str) -> None:
    words = ("sh", "-c", 'echo "$0" > /pfs/out/x', "--password=quite-secret")
    vfs("run", "-i", "data", "-o", "out", "--", *words)
    done = vfs("rerun", "out", "--verify", ok=False)
    assert done.returncode == 1 and b"give the command again after --" in done.stderr
    assert b"quite-secret" not in done.stdout + done.stderr
    assert b"1 identical" in vfs("rerun", "out", "--verify", "--", *words).stdout


def test_an_input_that_is_gone_is_named(vfs: Vfs, repo: str) -> None:
    made(vfs, "cat /pfs/data/words > /pfs/out/w")
    vfs("repo", "create", "other")
    vfs("put", "other", "-", "--prefix", "words", input=b"one two three\n")
    vfs("repo", "delete", "--force", "data")
    done = vfs("rerun", "out", "--verify", ok=False)
    assert done.returncode == 1 and b"its input data, data@" in done.stderr and b"--onto data=REV" in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert b"1 identical" in vfs("rerun", "out", "--verify", "--onto", "data=other").stdout


def begun(isolated: Path, *words: str) -> subprocess.Popen[bytes]:
    """`vfs rerun` of a command that says when it runs, and then sleeps."""
    ready = isolated / "ready"
    ready.unlink(missing_ok=True)
    (isolated / "slow").touch()
    command = [sys.executable, "-m", "vfs.cli.main", "rerun", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    wait_until(ready.exists)
    return process


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 45
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def slow(isolated: Path) -> str:
    """A script that ends at once, and the next time, when there is a file `slow`, does not."""
    return f"echo part > /pfs/out/part; [ ! -e {isolated}/slow ] || {{ touch {isolated}/ready; sleep 60; }}"


def test_ctrl_c_and_kill_leave_no_mount(vfs: Vfs, repo: str, isolated: Path) -> None:
    first = made(vfs, slow(isolated))
    process = begun(isolated, "out", "--verify")
    try:
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=45)
    finally:
        process.kill()
    assert process.returncode == 130 and b"nothing was compared or committed" in said and b"Traceback" not in said
    assert nothing_is_left(vfs, isolated)
    process = begun(isolated, "out")
    process.kill()
    process.communicate(timeout=45)
    wait_until(lambda: nothing_is_left(vfs, isolated))
    assert branches(vfs, "out") == {"main": first}


def explained(vfs: Vfs, a: str, b: str) -> tuple[str, dict[str, Any]]:
    """The verdict, and the likely causes by what they are about."""
    found = parsed(vfs("explain", "--json", a, b))
    return found["verdict"], {cause["about"]: cause for cause in found["causes"] if cause["likely"]}


def test_explain_names_the_file_that_was_read_and_changed(vfs: Vfs, repo: str) -> None:
    script = "cat /pfs/data/words > /pfs/out/w; cat /pfs/data/other > /pfs/out/o"
    made(vfs, script)
    vfs("put", "data", "-", "--prefix", "words", input=b"one two four\n")
    made(vfs, script)
    verdict, causes = explained(vfs, "out~1", "out")
    assert verdict == "what was read differs" and set(causes) == {"inputs"}
    assert causes["inputs"]["files"] == [{"path": "words", "change": "changed"}]
    outputs = parsed(vfs("explain", "--json", "out~1", "out"))["outputs"]
    assert outputs == [{"path": "w", "change": "M", "kind": "modified", "first_byte": 8}]
    assert explained(vfs, "out~1:o", "out:o")[0] == "the outputs are the same"
    told = vfs("explain", "out~1", "out").stdout.decode()
    assert "what was read differs" in told and "             changed  words" in told
    assert "outputs      M  w  (from byte 8 on)" in told


def test_explain_says_what_else_differs_and_when_nothing_does(vfs: Vfs, repo: str) -> None:
    made(vfs, RANDOM, env={"TZ": "UTC"})
    made(vfs, RANDOM, env={"TZ": "UTC"})
    verdict, causes = explained(vfs, "out~1", "out")
    assert verdict == "same inputs, same code, same command: the program is not deterministic" and not causes
    made(vfs, RANDOM, env={"TZ": "Asia/Tokyo"})
    verdict, causes = explained(vfs, "out~1", "out")
    assert verdict == "the environment differs"
    assert (causes["environment"]["a"], causes["environment"]["b"]) == ("UTC", "Asia/Tokyo")


def test_explain_of_what_no_run_made(vfs: Vfs, repo: str) -> None:
    vfs("put", "data", "-", "--prefix", "words", input=b"four\n")
    assert explained(vfs, "data~1", "data")[0].startswith("A was made by put, not by a run")
    done = vfs("explain", "data~1:words", "data", ok=False)
    assert done.returncode == 2 and b"on both sides or on none" in done.stderr
    assert vfs("explain", "data:nowhere", "data:words", ok=False).returncode == 1
