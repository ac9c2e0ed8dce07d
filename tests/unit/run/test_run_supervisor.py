"""The supervisor of a command, in a process of its own and without a namespace: exit codes, signals, orphans."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SUPERVISED = """
import json, os, sys
from vfs.run.supervisor import Supervisor
ended = Supervisor(os.getppid(), json.loads(sys.argv[1])).run([os.fsencode(w) for w in sys.argv[2:]], dict(os.environb))
print(json.dumps([ended.code, ended.leftovers]))
"""
LIMIT = 30.0


def words(*command: str, mask: tuple[int, ...] = ()) -> list[str]:
    return [sys.executable, "-P", "-c", SUPERVISED, json.dumps(list(mask)), *command]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def supervise(*command: str, mask: tuple[int, ...] = ()) -> tuple[int, int, bytes]:
    done = subprocess.run(words(*command, mask=mask), capture_output=True, timeout=LIMIT, check=True, env=environment())
    lines = done.stdout.splitlines()
    code, leftovers = json.loads(lines[-1])
    return code, leftovers, b"\n".join(lines[:-1]) + done.stderr


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 42", 42), ("kill -KILL $$", 137), ("kill -TERM $$", 143), ("kill -SEGV $$", 139)],
)
def test_exit_codes(script: str, code: int) -> None:
    assert supervise("sh", "-c", script)[:2] == (code, 0)


def test_what_cannot_be_executed_is_said(tmp_path: Path) -> None:
    code, _, said = supervise("/no/such/program")
    assert code == 127 and said.endswith(b"vfs: /no/such/program: command not found\n")
    (tmp_path / "broken").write_text("#!/no/such/interpreter\n")
    (tmp_path / "broken").chmod(0o755)
    assert supervise(str(tmp_path / "broken"))[0] == 127
    (tmp_path / "text").write_text("text")
    code, _, said = supervise(str(tmp_path / "text"))
    assert code == 126 and b"cannot be executed: permission denied" in said
    assert b"Traceback" not in said


def test_the_command_finds_signals_as_the_caller_had_them() -> None:
    """Nothing blocked or ignored that was not before: not what the supervisor waits for, nor what Python ignores."""
    own = dict(line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines() if line[:3] == "Sig")
    by_python = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)
    shown = supervise("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")[2].decode().split()
    assert int(shown[1], 16) == int(own["SigBlk"], 16)
    assert int(shown[3], 16) == int(own["SigIgn"], 16) & ~by_python
    shown = supervise("grep", "SigBlk", "/proc/self/status", mask=(signal.SIGUSR2,))[2].decode().split()
    assert int(shown[1], 16) == 1 << (signal.SIGUSR2 - 1)


def test_orphans_are_adopted_and_ended(tmp_path: Path) -> None:
    script = f"""
    (setsid sh -c 'echo $$ >> {tmp_path}/pids; sleep 300' &) ; (sh -c 'trap "" TERM; echo $$ >> {tmp_path}/pids; \
    while :; do sleep 0.1; done' &)
    while [ "$(cat {tmp_path}/pids 2>/dev/null | wc -l)" -lt 2 ]; do sleep 0.01; done
    """
    begin = time.monotonic()
    code, leftovers, _ = supervise("sh", "-c", script)
    assert code == 0 and leftovers >= 2 and time.monotonic() - begin < 15
    for pid in (tmp_path / "pids").read_text().split():
        assert not Path(f"/proc/{pid}").exists()


def test_orphans_of_a_command_that_ended_before_are_no_reason_to_stop(tmp_path: Path) -> None:
    """A child that ends while the command goes on is reaped, and is not taken for the command."""
    assert supervise("sh", "-c", "(true &) ; sleep 0.2; exit 5")[:2] == (5, 0)


def test_signals_from_the_parent_are_passed_on_and_others_are_not(tmp_path: Path) -> None:
    wait = f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done"
    script = f"trap 'echo got >> {tmp_path}/got' TERM; touch {tmp_path}/ready; {wait}"
    process = subprocess.Popen(words("bash", "-c", script), stdout=subprocess.PIPE, env=environment())
    try:
        _wait_for(tmp_path / "ready")
        other = [sys.executable, "-c", f"import os; os.kill({process.pid}, 15)"]
        subprocess.run(other, check=True, timeout=LIMIT)
        # Its echo: what the parent passes on of a signal that everybody in the group got.
        os.kill(process.pid, signal.SIGTERM)
        time.sleep(0.5)
        assert not (tmp_path / "got").exists()
        # On a busy machine the two above may arrive as one, and the next is then the echo: ask until it is passed on.
        end = time.monotonic() + LIMIT
        while not (tmp_path / "got").exists():
            assert time.monotonic() < end
            os.kill(process.pid, signal.SIGTERM)
            time.sleep(1)
        (tmp_path / "go").touch()
        assert json.loads(process.communicate(timeout=LIMIT)[0]) == [0, 0]
    finally:
        process.kill()
    assert set((tmp_path / "got").read_text().split()) == {"got"}


def _wait_for(path: Path) -> None:
    end = time.monotonic() + LIMIT
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.01)
