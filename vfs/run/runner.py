"""`vfs run`: inputs mounted, a command run over them, what it wrote committed with the record of how it came to be.

Here is what is looked up and refused before anything starts; `vfs.run.work` does the rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from vfs.errors import UsageError
from vfs.journal.environment import check_recorded
from vfs.journal.log import Journal
from vfs.model.revision import Revision
from vfs.repo.library import Library
from vfs.repo.progress import NoProgress, Progress
from vfs.run.image import image_of
from vfs.run.inputs import GivenInput, Input, find_inputs
from vfs.run.leaving import clear_dead_mounts
from vfs.run.result import RunResult
from vfs.run.target import RunTarget, default_message, find_target
from vfs.run.terms import NO_TERMS, Terms
from vfs.run.watching import check_trace
from vfs.run.work import Work


def run(
    library: Library,
    *,
    inputs: Sequence[Input],
    output: Revision,
    command: Sequence[str | bytes],
    message: str = "",
    author: str | None = None,
    progress: Progress | None = None,
    on_place: Callable[[Path], None] | None = None,
    terms: Terms = NO_TERMS,
) -> RunResult:
    """Run `command` over `inputs`; commit what it writes to the branch `output` when it ends with 0.

    A repo that is not there is made for the commit, and only then. Without `message` the command line is it.
    Before anything starts: UsageError, and what `resolve` raises. MountError when inputs or namespace cannot be
    had. After the command: DaemonError when its inputs failed under it, Conflict when the branch was moved and
    cannot be merged, Refused for output that cannot be read; then the message names where the output is kept.
    `on_place` is told that directory before the command starts. Refused, before anything starts, where `terms` ask to
    trace what is opened outside and that cannot be seen; and after a command that did not keep to them.
    """
    words = [os.fsencode(word) for word in command]
    if not words or not words[0]:
        raise UsageError("run: no command; give it after --")
    if any(b"\0" in word for word in words):
        raise UsageError("run: a word of the command holds a NUL")
    target = find_target(library, output)
    given = find_inputs(library, inputs)
    if not given:
        raise UsageError("run: no input; -i REV gives one")
    return run_given(
        library,
        given=given,
        target=target,
        command=words,
        message=message,
        author=author,
        progress=progress,
        on_place=on_place,
        terms=terms,
    )


def run_given(
    library: Library,
    *,
    given: list[GivenInput],
    target: RunTarget | None,
    command: list[bytes],
    message: str = "",
    author: str | None = None,
    progress: Progress | None = None,
    on_place: Callable[[Path], None] | None = None,
    examine: Callable[[Path], None] | None = None,
    cwd: bytes | None = None,
    changes: Mapping[str, str | None] | None = None,
    stdout: int | None = None,
    terms: Terms = NO_TERMS,
) -> RunResult:
    """As `run`, with what that looks up found already. Without `target` nothing is committed or kept of a good run.

    `examine` is given the directory of what was written when the command ended with 0, before that is committed.
    `cwd`: where the command runs, here by default; `changes` are laid over our environment, None takes a variable away.
    `stdout`: the descriptor that is the command's standard output, ours by default.
    """
    if terms.traces:
        check_trace()
    terms = msgspec.structs.replace(terms, image=image_of(terms.image), environment=check_recorded(terms.environment))
    clear_dead_mounts(library.settings.state_dir)
    with Journal.open(library.settings.state_dir) as journal:
        one = Work(
            library, journal, given, target, command,
            examine=examine, cwd=cwd, changes=changes, stdout=stdout, terms=terms,
        )  # fmt: skip
        return one.run(message or default_message(command), author, progress or NoProgress(), on_place)
