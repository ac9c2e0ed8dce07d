"""Which version of which code a command runs: git's word on the work trees, digests of the scripts.

Asked before the command starts, since it may change what is asked about. Nothing here fails a run: what cannot be
told is left empty, with a warning.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import time
from collections.abc import Iterator, Sequence

import msgspec
from blake3 import blake3

from vfs.journal.masking import masked
from vfs.model.ids import Digest
from vfs.model.record import Code, RunRecord
from vfs.run.git import GitState, git_state, work_tree_of
from vfs.run.image import image_of

# Seconds for all work trees and scripts of one command together.
SECONDS = 5.0
# Scripts looked at, and their size: what is larger is data.
_SCRIPTS_MAX = 32
_SIZE_MAX = 64 << 20
_READ = 1 << 20
# Inputs have commits of their own; what the system brings is told by its executables' digests.
_ELSEWHERE = tuple(
    f"/{name}/".encode() for name in ("pfs", "usr", "bin", "sbin", "lib", "lib32", "lib64", "etc", "proc", "sys", "dev")
)
_SHELL_SCRIPT = re.compile(rb"-[a-zA-Z]*c\Z")
_EXTENSIONS = frozenset(
    b".awk .bash .c .cc .cjs .clj .cpp .do .exs .f90 .go .groovy .ipynb .jar .java .jl .js .kts .lua .m .mjs .nf .php "
    b".pl .py .pyz .r .rb .rmd .rs .scala .sed .sh .smk .sql .tcl .ts .wdl .zsh".split()
)


class Told(msgspec.Struct, frozen=True):
    """What is known of the code of one command, and whole lines about what could not be told."""

    code: tuple[Code, ...] = ()
    warnings: tuple[str, ...] = ()


def code_of(command: Sequence[bytes] = (), *, cwd: bytes | None = None, seconds: float = SECONDS) -> Told:
    """The code behind `command` in the directory `cwd` (default: ours): the work tree that holds it, and the scripts.

    A script is a word that names a regular file below a work tree, or one outside of inputs and system directories
    that begins with `#!` or has the name of a program. Words of a script after `sh -c` count as well.
    """
    here = os.path.realpath(_working_directory() if cwd is None else cwd)
    trees = _Trees(time.monotonic() + seconds)
    found = [trees.code("cwd", here)] if here != b"/" else []
    for path in _scripts(command, here):
        found.append(trees.code("script", path, trees.digest(path)))
    return Told(tuple(code for code in found if code.root or code.digest), tuple(dict.fromkeys(trees.warnings)))


def with_code(record: RunRecord) -> tuple[RunRecord, tuple[str, ...]]:
    """`record` of a change that a user makes, with the code of the working directory and the image; and warnings.

    What a record of a session says of these stays. UsageError when VFS_IMAGE is no name.
    """
    told = Told() if record.code else code_of()
    return msgspec.structs.replace(
        record, code=record.code or told.code, image=record.image or image_of()
    ), told.warnings


class _Trees:
    """Work trees, each asked once, with one deadline for all."""

    def __init__(self, deadline: float) -> None:
        self.warnings: list[str] = []
        self._deadline = deadline
        self._states: dict[bytes, GitState] = {}

    def code(self, role: str, path: bytes, digest: Digest = b"") -> Code:
        """What git says of the work tree that holds `path`; empty for none."""
        root = work_tree_of(path)
        if not root:
            return Code(role, path, digest)
        if root not in self._states:
            state = git_state(root, seconds=self._left())
            self._states[root] = state
            if state.problem:
                self.warnings.append(f"{os.fsdecode(root)}: the version of the code is not known: {state.problem}")
        state = self._states[root]
        return Code(role, path, digest, root, state.commit, state.branch, state.dirty)

    def digest(self, path: bytes) -> Digest:
        """BLAKE3 of a script; b"" when it cannot be read, or not in time."""
        hasher = blake3()
        try:
            with open(path, "rb") as file:
                while data := file.read(_READ):
                    hasher.update(data)
                    if not self._left():
                        self.warnings.append(f"{os.fsdecode(path)}: could not be read in time")
                        return b""
        except OSError as error:
            self.warnings.append(f"{os.fsdecode(path)}: cannot be read: {(error.strerror or str(error)).lower()}")
            return b""
        return hasher.digest()

    def _left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())


def _scripts(command: Sequence[bytes], here: bytes) -> Iterator[bytes]:
    found: dict[bytes, None] = {}
    for word in _words(command):
        if len(found) >= _SCRIPTS_MAX:
            break
        path = os.path.realpath(os.path.join(here, word)) if word else b""
        if path and _is_script(path):
            found[path] = None
    yield from found


def _words(command: Sequence[bytes]) -> Iterator[bytes]:
    """Words that may name a file; the program itself where PATH finds it; those of a shell's script, too."""
    for place, word in enumerate(command):
        # What a record does not say, no file name in it shall say either.
        if b"\0" in word or masked((word,)) != (word,):
            continue
        if place == 0 and b"/" not in word:
            yield os.fsencode(shutil.which(word) or "")
        elif place and _SHELL_SCRIPT.match(command[place - 1]):
            yield from _split(word)
        else:
            yield word


def _split(script: bytes) -> list[bytes]:
    try:
        return [os.fsencode(word) for word in shlex.split(os.fsdecode(script[:_READ]))]
    except ValueError:
        return []


def _is_script(path: bytes) -> bool:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return False
    if not stat.S_ISREG(status.st_mode) or status.st_size > _SIZE_MAX or path.startswith(_ELSEWHERE):
        return False
    return is_program_text(path) or bool(work_tree_of(path))


def is_program_text(path: bytes) -> bool:
    """True for a file that begins with `#!` or has the name of a program's source.

    Other executables are interpreters and the like: processes tell of them, with their digests.
    """
    if os.path.splitext(path)[1].lower() in _EXTENSIONS:
        return True
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def _working_directory() -> bytes:
    try:
        return os.getcwdb()
    except OSError:
        return b"/"
