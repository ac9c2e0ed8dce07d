"""Starting the process that enters a namespace for a run or a shell, and hearing from it how the command ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vfs.errors import DaemonError
from vfs.files.translate import cause_of
from vfs.run.conversation import Conversation, is_ready
from vfs.run.environment import inherited
from vfs.run.errand import Errand, how_it_ended
from vfs.run.passing import SignalPassing
from vfs.run.stragglers import Stragglers


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One command that is to run in a namespace of its own, which the process `module` enters.

    `errand` gives what is handed to that process in the file `handover`, from the signals that the command is to find
    blocked. `variables` are added to our environment; `cwd` and `stdout` are as in `run_given`. `entered` is given the
    process when it is in the namespace and the command is not yet started; `flush` is called when all of it has
    ended, and the namespace is still there, and gives lines on what could not be recorded. `what` is the subject
    of messages, `lost` says what became of it all when the process was killed.
    """

    module: str
    what: str
    lost: str
    handover: Path
    errand: Callable[[list[int]], Errand]
    variables: Mapping[str, str]
    entered: Callable[[int], None]
    flush: Callable[[], tuple[str, ...]]
    cwd: bytes | None = None
    stdout: int | None = None

    def run(self) -> tuple[int, int, tuple[str, ...]]:
        """(exit code, leftovers, lines of `flush`) of the command; what `entered` raises, before it was started."""
        with Conversation() as talk:
            with SignalPassing() as signals:
                self.errand(sorted(int(number) for number in signals.mask)).write(self.handover)
                process = signals.start(lambda: self._spawn(talk.theirs))
                talk.begun()
                try:
                    said = self._heard(talk, process.pid)
                except BaseException:
                    talk.close()
                    process.wait()
                    raise
            lost = self.flush()
        process.wait()
        return (*how_it_ended(said, process.returncode, what=self.what, lost=self.lost), lost)

    def _heard(self, talk: Conversation, pid: int) -> bytes:
        """What the process says in the end."""
        said = talk.hear()
        if not is_ready(said):
            return said
        with Stragglers(pid) as stragglers:
            self.entered(pid)
            talk.go()
            said = talk.hear()
            if not said:
                # It was killed, and cannot end what the command left.
                stragglers.end()
        return said

    def _spawn(self, report: int) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-P", "-m", self.module, str(self.handover), str(report), str(os.getpid())]
        added = {os.fsencode(name): os.fsencode(value) for name, value in self.variables.items()}
        os.set_inheritable(report, True)
        try:
            # Descriptors that our caller left open for the command (`3< file`, `<(…)`) are its own as well.
            return subprocess.Popen(
                words, env={**inherited(), **added}, cwd=self.cwd, stdout=self.stdout, close_fds=False
            )
        except OSError as error:
            raise DaemonError(f"{self.what}: {words[0]}: cannot be executed: {cause_of(error)}") from error
