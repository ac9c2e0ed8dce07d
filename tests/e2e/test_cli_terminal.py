"""What a user at a terminal sees: escaped names, tables, progress; and what a shell gets for completion."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]

COMMAND = (sys.executable, "-m", "vfs.cli.main")
LIMIT = 60.0


@pytest.fixture
def repo(vfs: Vfs, isolated: Path) -> str:
    """The repo `data` with names that could steer a terminal."""
    vfs("init")
    vfs("repo", "create", "data", "-d", "a \x1b[31mred\x1b[0m description")
    odd = isolated / "odd"
    odd.mkdir()
    Path(os.fsdecode(os.fsencode(odd) + b"/\xff\x1b[2J\n")).touch()
    (odd / "plain").touch()
    vfs("put", "data", f"{odd}/", "-m", "message \x1b[2J\nsecond line")
    return "data"


def on_terminal(*words: str, env: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Run `vfs` with all its streams on a terminal of its own; exit code and what the terminal got."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **(env or {})}
    process = subprocess.Popen([*COMMAND, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    try:
        got = _read_all(ours, process)
        return process.wait(timeout=LIMIT), got
    finally:
        process.kill()
        os.close(ours)


def _read_all(terminal: int, process: subprocess.Popen[bytes]) -> bytes:
    got = bytearray()
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 0.1)
        if ready:
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                # EIO: the other end was closed.
                break
            got += piece
        elif process.poll() is not None:
            break
    return bytes(got)


def test_names_are_escaped_for_a_terminal(repo: str) -> None:
    code, got = on_terminal("ls", repo)
    assert (code, got) == (0, b"plain\r\n\\xff\\x1b[2J\\n\r\n")


def test_messages_and_descriptions_cannot_steer_a_terminal(repo: str) -> None:
    for words in (("log", repo), ("show", repo), ("repo", "list"), ("branch", "list", repo), ("repo", "show", repo)):
        code, got = on_terminal(*words, env={"NO_COLOR": "1"})
        assert code == 0
        assert b"\x1b[2J" not in got and b"\x1b[31m" not in got, words


def test_tables_have_their_headings_on_a_terminal(repo: str) -> None:
    _, got = on_terminal("repo", "list", env={"NO_COLOR": "1"})
    assert b"NAME" in got and b"data" in got


def test_json_on_a_terminal_is_json(repo: str) -> None:
    import json

    _, got = on_terminal("ls", "--json", repo)
    assert [found["path"] for found in json.loads(got)] == ["plain", "\ufffd\x1b[2J\n"]


def test_progress_is_drawn_on_a_terminal_only(vfs: Vfs, repo: str, isolated: Path) -> None:
    big = isolated / "big"
    big.write_bytes(os.urandom(40_000_000))
    _, got = on_terminal("put", repo, str(big))
    assert b"put data" in got and b"files" in got
    done = vfs("put", "data@other", str(big))
    assert b"MB/s" not in done.stderr + done.stdout and done.stderr == b""


def completed(line: str, vfs_directory: Path) -> list[str]:
    """What bash offers for `line`, as the printed script fills COMPREPLY."""
    script = f"""
        PATH={vfs_directory}:$PATH
        source <(vfs completion bash)
        COMP_LINE=$1 COMP_POINT=${{#1}}
        _vfs_completion vfs
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script, "-", line], capture_output=True, timeout=LIMIT, check=True)
    return done.stdout.decode().split()


@pytest.fixture
def command_directory(isolated: Path) -> Path:
    """A directory with a `vfs` that is the one under test."""
    directory = isolated / "bin"
    directory.mkdir()
    command = directory / "vfs"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vfs.cli.main "$@"\n')
    command.chmod(0o755)
    return directory


def test_bash_completes_commands_revisions_and_paths(vfs: Vfs, repo: str, command_directory: Path) -> None:
    vfs("branch", "create", "data@devel")
    vfs("tag", "create", "data@v1")
    vfs("put", "data@devel", "-", "--prefix", "docs/page", input=b"")
    for line, offered in {
        "vfs jour": ["journal"],
        "vfs repo cr": ["create"],
        "vfs --sto": ["--store"],
        "vfs ls da": ["data"],
        "vfs ls data@": ["devel", "main", "v1"],
        "vfs ls data@devel:": ["docs/", "plain"],
        "vfs ls data@devel:docs/": ["docs/page"],
        "vfs repo show da": ["data"],
        "vfs ls none@": [],
        "vfs completion z": ["zsh"],
    }.items():
        assert completed(line, command_directory) == offered, line


def test_completion_without_a_store_is_silent(isolated: Path, command_directory: Path) -> None:
    assert completed("vfs ls ", command_directory) == []
    environment = {**os.environ, "_VFS_COMPLETE": "bash_complete", "COMP_WORDS": "vfs ls ", "COMP_CWORD": ""}
    done = subprocess.run(COMMAND, env=environment, capture_output=True, timeout=LIMIT, check=False)
    assert done.stderr == b""


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_scripts_of_other_shells(vfs: Vfs, shell: str) -> None:
    assert f"_VFS_COMPLETE={shell}_complete".encode() in vfs("completion", shell).stdout
