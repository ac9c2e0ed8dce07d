"""`vfs rerun`: a run once more, from the record in the commit it made: same inputs, command, environment, directory.

What it writes is compared with the commit, path by path. It is committed where it is told to, else to a branch
of its own; or, to verify, not at all. A branch that was there before moves only when it is named.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from vfs.model.commit import StoredCommit
from vfs.model.ids import short
from vfs.model.revision import Revision
from vfs.repo.library import Library
from vfs.repo.progress import NoProgress, Progress
from vfs.repo.resolve import Target, resolve_branch
from vfs.run.outcome import Outcome, Verdict, compare_output
from vfs.run.plan import Plan, title
from vfs.run.result import RunResult
from vfs.run.runner import run_given
from vfs.run.target import RunTarget, default_message, find_target


class Rerun(msgspec.Struct, frozen=True):
    """How it came out. `outcomes` are all outputs of both runs, none when the command failed."""

    result: RunResult
    outcomes: tuple[Outcome, ...] = ()

    @property
    def identical(self) -> bool:
        """True when every output is what it was."""
        return self.result.exit_code == 0 and all(one.verdict is Verdict.IDENTICAL for one in self.outcomes)


def rerun(
    library: Library,
    plan: Plan,
    *,
    output: Revision | None = None,
    verify: bool = False,
    message: str = "",
    author: str | None = None,
    progress: Progress | None = None,
    on_place: Callable[[Path], None] | None = None,
    stdout: int | None = None,
) -> Rerun:
    """Run it, compare what it wrote, and commit that: to the branch `output`, to one of its own, to `verify` nowhere.

    Raises what `run` does. `on_place`, `stdout` as in `run_given`.
    """
    outcomes: list[Outcome] = []
    watched = progress or NoProgress()

    def examine(out: Path) -> None:
        outcomes.extend(compare_output(library, plan.stored, plan.record, out=out, progress=watched))

    result = run_given(
        library,
        given=plan.given,
        target=None if verify else _target(library, plan.stored, output),
        command=plan.command,
        message=message or f"rerun of {title(plan.stored)}: {default_message(plan.command)}",
        author=author,
        progress=watched,
        on_place=on_place,
        examine=examine,
        cwd=plan.cwd,
        changes=plan.changes,
        stdout=stdout,
    )
    return Rerun(result, tuple(outcomes))


def own_branch(stored: StoredCommit) -> str:
    """The branch that repetitions of the run behind `stored` go to when none is named."""
    return f"rerun-{short(stored.id)}"


def _target(library: Library, stored: StoredCommit, output: Revision | None) -> RunTarget:
    if output is not None:
        return find_target(library, output)
    found = resolve_branch(library, Revision(stored.commit.repo, own_branch(stored)))
    # The first commit on that branch follows the one it repeats.
    return RunTarget(found if found.head is not None else Target(found.repo, found.branch, stored), absent=False)
