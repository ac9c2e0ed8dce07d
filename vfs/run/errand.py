"""What a process that enters a namespace is to do there, and what it says in the end of how that went."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from vfs.errors import DaemonError, LocalIOError, from_wire
from vfs.files.translate import cause_of
from vfs.run.supervisor import PASSED_ON


@dataclass(frozen=True, kw_only=True)
class Errand:
    """Base of what is handed to such a process, in a file; paths and words with undecodable bytes as surrogates.

    `mask`: the signals that the command is to find blocked.
    """

    command: list[str]
    mask: list[int]

    def write(self, path: Path) -> None:
        """Write it for the process that enters."""
        try:
            path.write_text(json.dumps(asdict(self)), encoding="ascii")
        except OSError as error:
            raise LocalIOError(f"{path}: cannot be written: {cause_of(error)}") from error

    @classmethod
    def read(cls, path: str) -> Self:
        """What was written to `path`; the file is gone then, since a command line may hold secrets."""
        try:
            text = Path(path).read_text(encoding="ascii")
            os.unlink(path)
            return cls(**json.loads(text))
        except (OSError, ValueError, TypeError) as error:
            raise LocalIOError(f"{path}: cannot be read: {error}") from error


def how_it_ended(said: bytes, status: int, *, what: str, lost: str = "") -> tuple[int, int]:
    """(exit code, leftovers) of the command, from what the process said last and its own exit status.

    One that said nothing and died of a signal that is passed on ended with its command. `what` is the subject of
    messages, `lost` says what became of it all when the process was killed. DaemonError, and what the process reports.
    """
    if not said and -status in PASSED_ON:
        return 128 - status, 0
    if not said:
        raise DaemonError(f"{what}: the process that runs the command was killed{lost}")
    try:
        report = json.loads(said)
        if "wire" in report:
            raise from_wire(report["wire"], report["message"])
        return int(report["code"]), int(report["leftovers"])
    except (ValueError, KeyError, TypeError) as error:
        raise DaemonError(f"{what}: the process that runs the command said what is not understood: {error}") from error
