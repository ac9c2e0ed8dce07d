"""What git says of a work tree, asked so that nothing in the work tree can run a program or make us wait.

A work tree may come from anybody, and its configuration can name programs that git starts: monitors, hooks, filters,
fetches of missing objects. Each is switched off; that a repository of another user is not read at all is git's
own rule, and stays.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import IO

import msgspec

# Names of filters in the configuration of a work tree; more are nobody's own work.
_FILTERS_MAX = 64
_OUTPUT_MAX = 1 << 16
_SAFE = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.untrackedCache": "false",
    "protocol.allow": "never",
    "submodule.recurse": "false",
    "status.submoduleSummary": "false",
    "status.renames": "false",
}
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_STATUS = ("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--ignore-submodules=dirty")
_FILTERS = ("config", "--null", "--name-only", "--get-regexp", r"^filter\..*\.(clean|smudge|process|required)$")


class GitState(msgspec.Struct, frozen=True):
    """The commit (hex) and branch of a work tree, each "" while there is none, and whether anything was changed in it.

    `problem`: why nothing is known.
    """

    commit: str = ""
    branch: str = ""
    dirty: bool = False
    problem: str = ""


class _Failed(Exception):
    """Git did not answer; the text says why."""


def work_tree_of(path: bytes) -> bytes:
    """The directory that holds `.git`, at `path` (absolute) or above it; b"" for none. Follows no link."""
    while path not in (b"/", b""):
        with contextlib.suppress(OSError, ValueError):
            os.lstat(path + b"/.git")
            return path
        path = os.path.dirname(path)
    return b""


def git_state(root: bytes, *, seconds: float) -> GitState:
    """What git says of the work tree `root`, within so many seconds."""
    program = shutil.which("git")
    if program is None:
        return GitState(problem="there is no git program")
    try:
        filters = list(_filter_names(_answer(program, root, _FILTERS, {}, seconds)))
        # A filter without a program does nothing. Where it would have, a file may count as changed that is not.
        off = {name: "false" if name.endswith(".required") else "" for name in filters}
        return _understood(_answer(program, root, _STATUS, off, seconds))
    except _Failed as failure:
        return GitState(problem=str(failure))


def _answer(program: str, root: bytes, words: tuple[str, ...], settings: dict[str, str], seconds: float) -> bytes:
    """The beginning of what git prints."""
    options = [word for key, value in {**_SAFE, **settings}.items() for word in ("-c", f"{key}={value}")]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    # In memory, and without a limit that git could wait at.
    complaints = os.fdopen(os.memfd_create("git"), "w+b")
    try:
        process = subprocess.Popen(
            [program, "--no-pager", *options, "-C", os.fsdecode(root), *words],
            env={**kept, **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,
        )
    except OSError as error:
        complaints.close()
        raise _Failed(f"git cannot be started: {(error.strerror or str(error)).lower()}") from error
    with complaints, contextlib.closing(_Answer(process)) as answer:
        return answer.read(time.monotonic() + seconds, complaints)


class _Answer:
    """What a running git prints. It is killed at the end, and waited for only as long as that takes it at most."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._process = process
        self._pipe = process.stdout

    def read(self, deadline: float, complaints: IO[bytes]) -> bytes:
        """All of it, or its beginning when there is more than is worth reading."""
        said = b""
        while data := self._some(deadline):
            said += data
            if len(said) >= _OUTPUT_MAX:
                return said
        status = self._status(deadline)
        complaints.seek(0)
        complaint = complaints.read(_OUTPUT_MAX).decode("utf-8", "replace")
        # `config` that finds nothing ends with 1 and no word.
        if status and (status != 1 or complaint):
            raise _Failed(f"git: {complaint.partition(chr(10))[0][:200].removeprefix('fatal: ') or f'status {status}'}")
        return said

    def _some(self, deadline: float) -> bytes:
        ready, _, _ = select.select([self._pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise _Failed("git took too long")
        return os.read(self._pipe.fileno(), _OUTPUT_MAX)

    def _status(self, deadline: float) -> int:
        try:
            return self._process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise _Failed("git took too long") from error

    def close(self) -> None:
        """End it. One that waits for a disk that does not answer is left alone."""
        self._pipe.close()
        if self._process.poll() is None:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)


def _filter_names(said: bytes) -> Iterator[str]:
    names = [os.fsdecode(name) for name in said.split(b"\0") if name]
    if len(names) > _FILTERS_MAX or len(said) >= _OUTPUT_MAX:
        raise _Failed("its configuration names too many filters")
    if any("=" in name or "\n" in name for name in names):
        raise _Failed("its configuration names a filter that cannot be switched off")
    yield from names


def _understood(said: bytes) -> GitState:
    commit = branch = ""
    dirty = False
    for line in said.decode("utf-8", "replace").split("\0"):
        if line.startswith("# branch.oid "):
            commit = line.rpartition(" ")[2]
        elif line.startswith("# branch.head "):
            branch = line.removeprefix("# branch.head ")
        elif line and not line.startswith("#"):
            dirty = True
            break
    known = len(commit) in (40, 64) and all(c in "0123456789abcdef" for c in commit)
    return GitState(commit if known else "", "" if branch == "(detached)" else branch[:255], dirty)
