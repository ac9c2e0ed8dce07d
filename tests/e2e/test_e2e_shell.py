"""`vfs shell`: a program in a writable tree of its own, what it leaves, and what becomes of that; as root and not."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from vfs.run.watching import may_watch

pytestmark = [pytest.mark.mount, pytest.mark.root, pytest.mark.timeout(240)]

NOBODY = 65534
PROGRAM = "from vfs.cli.main import main; main()"
PATIENCE = 45.0
Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def texts(vfs: Vfs, repo: str, isolated: Path) -> str:
    """A repo with a directory and some files."""
    source = isolated / "source"
    (source / "sub").mkdir(parents=True)
    for name in ("a", "b", "sub/c"):
        (source / name).write_text(f"content of {name}\n")
    vfs("put", repo, f"{source}/")
    return repo


def layers(vfs: Vfs) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(vfs("mounts", "--layers", "--json").stdout)
    return found


def read(vfs: Vfs, revision: str) -> set[str]:
    """The paths that the record of a commit says were read."""
    return {one["path"] for one in json.loads(vfs("show", "--json", revision).stdout)["record"]["reads"]}


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def test_what_a_program_writes_is_kept_shown_and_committed_with_its_reads(vfs: Vfs, texts: str) -> None:
    script = 'pwd; cat sub/c; echo new > new; rm a; mv sub bus; test "$PWD" = "$VFS_TREE"'
    done = vfs("shell", texts, "sh", "-c", script)
    assert done.stdout == b"/pfs/data\ncontent of sub/c\n"
    (layer,) = layers(vfs)
    assert layer["id"].encode() in done.stderr and not layer["mounted"] and layer["shell"]
    assert vfs("diff", layer["id"][:6]).stdout.splitlines() == [b"D  a", b"R  sub -> bus", b"A  new"]
    assert b"3 changes" in vfs("status", layer["id"]).stdout
    # It goes on where it was, and nobody outside saw anything.
    assert vfs("shell", "--layer", layer["id"], "cat", "new").stdout == b"new\n"
    assert not os.path.exists("/pfs/data")
    vfs("commit", layer["directory"], "-m", "from the shell")
    assert vfs("ls", "-R", texts).stdout.split() == [b"b", b"bus", b"new", b"bus/c"]
    assert "sub/c" in read(vfs, texts)
    vfs("discard", layer["id"])
    assert layers(vfs) == []


def test_it_ends_with_the_status_of_the_program_and_commits_good_work_only(vfs: Vfs, texts: str) -> None:
    failed = vfs("shell", "--commit", "-m", "no", texts, "--", "sh", "-c", "echo 1 > one; exit 9", ok=False)
    assert failed.returncode == 9
    (layer,) = layers(vfs)
    assert b"one" not in vfs("ls", texts).stdout
    done = vfs("shell", "--commit", "-m", "yes", "-o", "data@other", "--layer", layer["id"], "sh", "-c", "cat b >> one")
    assert vfs("cat", "data@other:one").stdout == b"1\ncontent of b\n"
    # Committed as a whole, nothing is left to keep.
    assert layers(vfs) == [] and done.stdout == b""
    assert read(vfs, "data@other") == {"b"}
    assert vfs("shell", texts, "no-such-program", ok=False).returncode == 127
    assert vfs("shell", "--discard", texts, "sh", "-c", "echo x > y; kill -TERM $$", ok=False).returncode == 143
    assert layers(vfs) == []


def test_a_commit_in_the_shell_has_what_was_read_a_moment_before(vfs: Vfs, texts: str) -> None:
    commit = f"{sys.executable} -c '{PROGRAM}' commit -m inside $VFS_LAYER"
    done = vfs("shell", texts, "sh", "-c", f"cat sub/c > copy; {commit}; cat copy")
    assert b"data@main is now" in done.stdout and done.stdout.endswith(b"content of sub/c\n")
    assert vfs("cat", "data:copy").stdout == b"content of sub/c\n"
    assert read(vfs, texts) == {"sub/c"}
    # All of it is committed, so nothing is kept.
    assert layers(vfs) == []


def written(vfs: Vfs, revision: str) -> dict[str, str]:
    """The program that wrote each file of a commit last, "" where the record does not know."""
    record = json.loads(vfs("show", "--json", revision).stdout)["record"]
    programs = {one["key"]: one["argv"][0] for one in record["processes"]}
    return {one["path"]: programs.get(one["writer"], "") for one in record["outputs"]}


def test_the_record_says_who_wrote_what(vfs: Vfs, texts: str) -> None:
    if not may_watch():
        pytest.skip("the kernel tells nobody here who writes")
    # Renamed with its directory, through a descriptor that was inherited, over a file of the commit, in a subshell.
    script = (
        "mkdir d; cp a d/copy; (sort sub/c > d/sorted); mv d e; dd if=b of=a 2>/dev/null; echo x > own; : | tee e/tee"
    )
    vfs("shell", "--commit", texts, "sh", "-c", script)
    wrote = {"a": "dd", "e/copy": "cp", "e/sorted": "sort", "e/tee": "tee", "own": "sh", "e": ""}
    assert written(vfs, texts) == wrote
    # Of a layer that is kept, and committed later or within.
    vfs("shell", texts, "sh", "-c", "cp a kept")
    (layer,) = layers(vfs)
    vfs("commit", layer["id"])
    assert written(vfs, texts) == {"kept": "cp"}
    vfs("discard", layer["id"])


def test_refusals_leave_nothing_behind(vfs: Vfs, texts: str) -> None:
    for words in (
        ("shell",),
        ("shell", "-m", "x", texts, "true"),
        ("shell", "--commit", "--discard", texts, "true"),
        ("shell", "--layer", "0123456789abcdef", "true"),
        ("shell", "--max-size", "1KiB", texts, "true"),
        ("shell", f"{texts}:sub", "true"),
        ("shell", "nothing", "true"),
    ):
        refused = vfs(*words, ok=False)
        assert refused.returncode in (1, 2), words
        assert refused.stderr.count(b"\n") == 1, refused.stderr
    assert layers(vfs) == []


def test_a_conflict_keeps_the_layer_and_says_where(vfs: Vfs, texts: str, isolated: Path) -> None:
    other = isolated / "b"
    other.write_text("of somebody else\n")
    program = f"{sys.executable} -c '{PROGRAM}' put {texts} {other} && echo mine > b"
    done = vfs("shell", "--commit", texts, "sh", "-c", program, ok=False)
    assert done.returncode == 4
    (layer,) = layers(vfs)
    assert layer["id"].encode() in done.stderr
    assert vfs("cat", "data:b").stdout == b"of somebody else\n"
    assert vfs("diff", layer["id"]).stdout == b"M  b\n"


def test_a_killed_shell_leaves_its_layer_whole(vfs: Vfs, texts: str, isolated: Path) -> None:
    script = "echo written > new; sync new; exec sleep 100"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "shell", texts, "sh", "-c", script], cwd=isolated, stdin=subprocess.DEVNULL
    )
    until(lambda: any(Path(one["directory"], "upper", "new").exists() for one in layers(vfs)))
    (layer,) = layers(vfs)
    assert layer["mounted"]
    busy = vfs("discard", layer["id"], ok=False)
    assert busy.returncode == 1 and b"is mounted" in busy.stderr
    process.kill()
    process.wait()
    until(lambda: not layers(vfs)[0]["mounted"])
    assert vfs("diff", layer["id"]).stdout == b"A  new\n"
    assert vfs("shell", "--layer", layer["id"], "cat", "new").stdout == b"written\n"
    assert [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(isolated) in line] == []


def test_a_daemon_that_dies_under_the_program_commits_nothing(vfs: Vfs, texts: str) -> None:
    listing = f"{sys.executable} -c '{PROGRAM}' mounts --json"
    ask = f"{listing} | {sys.executable} -c 'import json,sys; print(json.load(sys.stdin)[0][\"pid\"])'"
    done = vfs("shell", "--commit", texts, "sh", "-c", f"echo kept > new; pid=`{ask}`; kill -9 $pid", ok=False)
    assert done.returncode == 6 and b"nothing was committed" in done.stderr
    (layer,) = layers(vfs)
    assert vfs("diff", layer["id"]).stdout == b"A  new\n"
    assert vfs("shell", "--layer", layer["id"], "cat", "new").stdout == b"kept\n"


@pytest.fixture
def terminal(texts: str, isolated: Path) -> Iterator[Callable[[str, str], str]]:
    """An interactive shell on a terminal: `terminal(typed, pattern)` gives what is shown until the pattern is."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(isolated)
        os.environ.update(SHELL="/bin/sh", PS1="ready> ", TERM="dumb")
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM, "shell", texts])

    said = ""

    def converse(typed: str, pattern: str) -> str:
        nonlocal said
        os.write(fd, typed.encode())
        begin, end = len(said), time.monotonic() + PATIENCE
        while not re.search(pattern, said[begin:]):
            assert time.monotonic() < end, said
            if select.select([fd], [], [], 0.2)[0]:
                try:
                    said += os.read(fd, 4096).decode(errors="replace")
                except OSError:
                    raise AssertionError(f"the terminal was closed: {said}") from None
        return said[begin:]

    yield converse
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGHUP)
    os.close(fd)
    os.waitpid(pid, 0)


def test_a_terminal_has_a_shell_with_job_control(terminal: Callable[[str, str], str], vfs: Vfs) -> None:
    # What is typed before the shell reads again may be thrown away with the line that Ctrl-C ends.
    terminal("", r"ready> $")
    terminal("pwd\n", r"\n/pfs/data\r\nready> $")
    terminal("sh -c 'echo here; exec cat'\n", r"\nhere\r\n")
    # Ctrl-C ends what runs in the shell, and not the shell.
    terminal("\x03", r"ready> $")
    terminal("echo status=$?\n", r"\nstatus=130\r\nready> $")
    terminal("echo x > typed; exit 5\n", r"vfs discard [0-9a-f]{16}")
    (layer,) = layers(vfs)
    assert vfs("diff", layer["id"]).stdout == b"A  typed\n"


def as_nobody(place: Path, *words: object, ok: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Run `vfs` as an ordinary user whose store and state lie in `place`."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(place / "home"),
        "VFS_STORE": f"file://{place}/home/store",
        "VFS_STATE_DIR": f"{place}/home/state",
        "VFS_CACHE_DIR": f"{place}/home/cache",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, words)],
        cwd=place / "home", env=env, user=NOBODY, group=NOBODY, extra_groups=[],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=90, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert not ok or done.returncode == 0, done.stderr.decode()
    return done


def test_an_ordinary_user_writes_without_fuse_overlayfs(public_dir: Path, fuse_for_all: None) -> None:
    home = public_dir / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    probe = subprocess.run(
        [sys.executable, "-c", "import pyfuse3, vfs.cli.main, vfsd"],
        user=NOBODY, group=NOBODY, extra_groups=[], cwd=home, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    if probe.returncode:
        pytest.skip(f"an ordinary user cannot use {sys.executable}")
    (home / "file").write_text("for everybody\n")
    as_nobody(public_dir, "init")
    as_nobody(public_dir, "repo", "create", "data")
    as_nobody(public_dir, "put", "data", "file")
    shown = as_nobody(
        public_dir, "shell", "data", "sh", "-c",
        "id -u; stat -f -c %T .; echo more >> file; mkdir -m 750 dir; echo 1 > dir/one",
    )  # fmt: skip
    assert shown.stdout == b"65534\noverlayfs\n"
    (layer,) = json.loads(as_nobody(public_dir, "mounts", "--layers", "--json").stdout)
    refused = as_nobody(public_dir, "shell", "--max-size", "1GiB", "data", "true", ok=False)
    assert refused.returncode == 6 and b"as root only" in refused.stderr
    as_nobody(public_dir, "shell", "--commit", "-m", "mine", "--layer", layer["id"], "rm", "dir/one")
    assert as_nobody(public_dir, "cat", "data:file").stdout == b"for everybody\nmore\n"
    assert as_nobody(public_dir, "ls", "-R", "data").stdout.split() == [b"dir", b"file"]
