"""Bad input: one line on standard error, the right exit code, nothing lost, never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]

COMMAND = (sys.executable, "-m", "vfs.cli.main")


@pytest.fixture
def repo(vfs: Vfs) -> str:
    """The repo `data` with one file."""
    vfs("init")
    vfs("repo", "create", "data")
    vfs("put", "data", "-", "--prefix", "file", input=b"content\n")
    return "data"


def refused(done: subprocess.CompletedProcess[bytes], code: int, said: str) -> None:
    text = done.stderr.decode("utf-8", "backslashreplace")
    assert done.returncode == code, text
    assert done.stdout == b""
    assert text.startswith("vfs: ") and text.count("\n") == 1 and said in text, text


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("ls", "dada"), 1, "did you mean data?"),
        (("ls", "data@nope"), 1, "no branch, tag or commit nope"),
        (("ls", "data~1"), 1, "the history has only 1 commit\n"),
        (("log", "data:nope"), 1, "data:nope: no commit has this path"),
        (("branch", "create", "data@x", "1234"), 2, "names repo 1234, not data; a commit of it is data@1234"),
        (("ls", "data:nope"), 1, "data:nope: no such path"),
        (("ls", "data:file/below"), 1, "no such path"),
        (("ls", "data:a/../b"), 2, "'..': not a file name"),
        (("ls", "data:" + "n" * 300), 1, "name of 300 bytes, 255 allowed"),
        (("repo", "create", "a/b"), 2, "repo 'a/b': not a name"),
        (("repo", "create", "data"), 1, "exists already"),
        (("repo", "show", "nope"), 1, "repo nope: not in the store"),
        (("put", "data", "/nonexistent/file"), 1, "/nonexistent/file: no such file or directory"),
        (("put", "data:below", "/etc/hostname"), 2, "--prefix"),
        (("put", "data~1", "/etc/hostname"), 2, "only a branch"),
        (("put", "nope", "/etc/hostname"), 1, "repo nope"),
        (("rm", "data"), 2, "no path to remove"),
        (("rm", "data:nope"), 1, "no such path"),
        (("export", "data", "/nonexistent/dir/out"), 1, "does not exist"),
        (("diff", "data"), 2, "compares two revisions"),
        (("diff", "/"), 1, "no writable layer"),
        (("show", "data:file"), 2, "vfs stat"),
        (("diff", "data", "data", "data"), 2, "not 3 words"),
        (("lineage", "data:nope"), 1, "nope"),
        (("verify", "data:file"), 2, "a whole commit"),
        (("config", "colour"), 2, "no such setting"),
        (("mount", "data"), 2, "expected REV DIR"),
        (("mount", "--all", "data", "/tmp"), 2, "--all takes DIR alone"),
        (("mount", "data", ""), 2, "an empty path"),
        (("export", "data", ""), 2, "an empty path"),
        (("put", "data", ""), 2, "an empty path"),
        (("umount", "/"), 6, "not a vfs mount"),
        (("commit", "/"), 1, "no writable layer"),
        (("discard", "/"), 1, "no writable layer"),
        (("status", "/"), 1, "no vfs mount"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    vfs: Vfs, repo: str, words: tuple[str, ...], code: int, said: str
) -> None:
    refused(vfs(*words, ok=False), code, said)


def test_a_store_that_is_not_there(vfs: Vfs, isolated: Path) -> None:
    refused(vfs("ls", ok=False), 3, "vfs init")
    refused(vfs("--store", "gopher://x", "ls", ok=False), 2, "gopher://x")
    refused(vfs("--store", f"file://{isolated}/none", "put", "a", "b", ok=False), 3, "none")


def test_a_store_of_a_newer_format(vfs: Vfs, repo: str, isolated: Path) -> None:
    marker = isolated / "store" / "vfs.json"
    marker.chmod(0o600)
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "format": 99}))
    refused(vfs("ls", ok=False), 3, "99")


def test_an_unknown_setting_names_its_file(vfs: Vfs, isolated: Path) -> None:
    config = isolated / "home" / ".config" / "vfs"
    config.mkdir(parents=True)
    (config / "config.toml").write_text('colour = "red"\n')
    refused(vfs("ls", ok=False), 2, "config.toml: unknown key 'colour'")


def test_a_commit_prefix_that_several_share(vfs: Vfs, repo: str, isolated: Path) -> None:
    commits = isolated / "store" / "repos" / "data" / "commits"
    (only,) = (path.name for path in commits.iterdir())
    last = "0" if only[-1] != "0" else "1"
    (commits / (only[:-1] + last)).write_bytes((commits / only).read_bytes())
    refused(vfs("ls", f"data@{only[:8]}", ok=False), 1, "2 commits start so")


def test_a_commit_object_that_was_altered(vfs: Vfs, repo: str, isolated: Path) -> None:
    (commit,) = (isolated / "store" / "repos" / "data" / "commits").iterdir()
    data = bytearray(commit.read_bytes())
    data[len(data) // 2] ^= 1
    commit.chmod(0o600)
    commit.write_bytes(data)
    refused(vfs("ls", "data", ok=False), 5, commit.name)


def test_head_ends_a_listing_quietly(vfs: Vfs, repo: str, isolated: Path) -> None:
    many = isolated / "many"
    many.mkdir()
    for number in range(9000):
        (many / f"{number:04}{'x' * 60}").touch()
    vfs("put", repo, many)
    words = " ".join([*COMMAND, "ls", "data:many"])
    script = f"{words} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=60, check=True)
    assert done.stdout.splitlines()[1:] == [b"141"] and done.stderr == b""


def test_ctrl_c_in_a_long_put_says_what_is_kept(vfs: Vfs, repo: str, isolated: Path) -> None:
    reader, writer = os.pipe()
    words = [*COMMAND, "put", "data", "-", "--prefix", "endless"]
    process = subprocess.Popen(words, stdin=reader, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    os.close(reader)
    try:
        os.write(writer, b"x" * 60_000)
        # Once the first bytes were taken from the pipe the command is at work.
        deadline = time.monotonic() + 30
        while _pending(writer) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=20)
    finally:
        process.kill()
        os.close(writer)
    assert process.returncode == 130
    assert said.startswith(b"vfs: interrupted; nothing was committed") and said.count(b"\n") == 1
    assert out == b"" and vfs("ls", "data").stdout == b"file\n"


def _pending(fd: int) -> int:
    import fcntl
    import struct
    import termios

    return int(struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0])


def test_relative_paths_in_a_directory_that_is_gone_are_said(isolated: Path, vfs: Vfs, repo: str) -> None:
    script = 'mkdir gone; cd gone; rmdir ../gone; exec "$@"'
    for words in (("put", repo, "rel"), ("mount", repo, "m"), ("umount", "m"), ("status", "m"), ("commit", "m")):
        command = [
            "sh",
            "-c",
            script,
            "sh",
            sys.executable,
            "-P",
            "-c",
            "from vfs.cli.main import main; main()",
            *words,
        ]
        done = subprocess.run(command, capture_output=True, cwd=isolated, timeout=60, check=False)
        refused(done, 1, f"{words[-1]}: cannot be found: the working directory is gone")
