"""What comes of a run."""

from __future__ import annotations

from pathlib import Path

import msgspec

from vfs.model.commit import StoredCommit
from vfs.run.declared import Declared


class RunResult(msgspec.Struct, frozen=True):
    """How a run ended. `exit_code` is the command's (128 + signal when it was killed).

    `stored` is the commit of a command that ended with 0. `kept` is what holds what any other one
    wrote, None when it wrote nothing. `leftovers` counts processes that outlived the command and were ended;
    `warnings` are whole lines, `declared` compares what the command was given with what it used.
    `repo_created`: the repo of the output did not exist and was made for the commit.
    """

    exit_code: int
    session: str
    stored: StoredCommit | None = None
    kept: Path | None = None
    leftovers: int = 0
    warnings: tuple[str, ...] = ()
    repo_created: bool = False
    declared: Declared = Declared()
