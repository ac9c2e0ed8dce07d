"""Starting the process that enters a run's namespace, and hearing from it how the command ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vfs.errors import DaemonError
from vfs.files.translate import cause_of
from vfs.run.conversation import Conversation, is_ready
from vfs.run.enter import EnterSpec
from vfs.run.environment import inherited
from vfs.run.errand import how_it_ended
from vfs.run.passing import SignalPassing
from vfs.run.place import RunPlace
from vfs.run.watching import may_watch


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One command that is to run in the place of a run. `variables` are added to our environment.

    `changes`, `cwd` and `stdout` are as in `run_given`. `watch` is given a process in the namespace before the command
    starts there, where the kernel could report what happens in it; `flush` is called when all of it has ended, and
    the namespace is still there, and gives lines on what could not be recorded.
    """

    place: RunPlace
    command: list[bytes]
    variables: Mapping[str, str]
    changes: dict[str, str | None]
    cwd: bytes | None
    stdout: int | None
    watch: Callable[[int], None]
    flush: Callable[[], tuple[str, ...]]

    def run(self) -> tuple[int, int, tuple[str, ...]]:
        """(exit code, leftovers, lines of `flush`) of the command; what `watch` raises, before it was started."""
        with Conversation() as talk:
            with SignalPassing() as signals:
                self._write_spec(signals)
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
        return (*how_it_ended(said, process.returncode, what="run", lost="; nothing was committed"), lost)

    def _heard(self, talk: Conversation, pid: int) -> bytes:
        """What the process says in the end."""
        said = talk.hear()
        if not is_ready(said):
            return said
        self.watch(pid)
        talk.go()
        return talk.hear()

    def _write_spec(self, signals: SignalPassing) -> None:
        place = self.place
        spec = EnterSpec(
            views=str(place.views),
            out=str(place.out),
            root=str(place.root),
            command=[os.fsdecode(word) for word in self.command],
            mask=sorted(int(number) for number in signals.mask),
            changes=self.changes,
            watched=may_watch(),
        )
        spec.write(place.enter)

    def _spawn(self, report: int) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-P", "-m", "vfs.run.enter", str(self.place.enter), str(report), str(os.getpid())]
        added = {os.fsencode(name): os.fsencode(value) for name, value in self.variables.items()}
        os.set_inheritable(report, True)
        try:
            # Descriptors that our caller left open for the command (`3< file`, `<(…)`) are its own as well.
            return subprocess.Popen(
                words, env={**inherited(), **added}, cwd=self.cwd, stdout=self.stdout, close_fds=False
            )
        except OSError as error:
            raise DaemonError(f"run: {words[0]}: cannot be executed: {cause_of(error)}") from error
