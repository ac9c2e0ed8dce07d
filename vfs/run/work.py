"""One run on its way: its session, its mount, its command, its commit; and what is kept when one of them fails.

Order: the session is begun in the journal, the inputs are mounted, the command runs. When it ended well: the
daemon writes down what was read, the output is read, then packs, commit object, branch, journal. When anything
goes wrong nothing is committed and the output directory is kept; what stands then is said in docs/RUN.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import msgspec

from vfs.control.client import Client
from vfs.control.registry import Registry
from vfs.errors import DaemonError, VfsError
from vfs.journal.events import CodeSeen
from vfs.journal.log import Journal
from vfs.journal.record import run_record, with_outputs
from vfs.journal.session import begin_session
from vfs.journal.writers import Writers
from vfs.model.commit import StoredCommit
from vfs.model.record import RunRecord
from vfs.repo.commit import commit_tree
from vfs.repo.library import Library
from vfs.repo.progress import Progress
from vfs.run.code import code_of
from vfs.run.declared import Declared, declared_of
from vfs.run.ending import ended, noted, removed, with_lines
from vfs.run.enter import EnterSpec
from vfs.run.environment import as_text, changed, inherited
from vfs.run.execution import Execution
from vfs.run.inputs import GivenInput, shown_paths, variables
from vfs.run.leaving import living_mount, written_down
from vfs.run.output import read_output
from vfs.run.place import RunPlace, described
from vfs.run.result import RunResult
from vfs.run.target import RunTarget, made
from vfs.run.terms import NO_TERMS, Terms
from vfs.run.views import mount_views
from vfs.run.watching import may_watch, no_trace

# The command was never started, and the process that was to start it said why.
_NOT_STARTED = 1


class Work:
    """One run on its way, from `run` on. Takes what `vfs.run.runner.run_given` does."""

    def __init__(
        self,
        library: Library,
        journal: Journal,
        given: list[GivenInput],
        target: RunTarget | None,
        command: list[bytes],
        *,
        examine: Callable[[Path], None] | None = None,
        cwd: bytes | None = None,
        changes: Mapping[str, str | None] | None = None,
        stdout: int | None = None,
        terms: Terms = NO_TERMS,
    ) -> None:
        self.library = library
        self.journal = journal
        self.given = given
        self.target = target
        self.command = command
        self.examine = examine
        self.cwd = cwd
        self.stdout = stdout
        self.changes = dict(changes or {})
        self.terms = terms
        self.warnings: tuple[str, ...] = ()
        self.code = _NOT_STARTED
        self.place = RunPlace.create(library.settings.state_dir, max_size=terms.max_size)
        try:
            self.session = self._begun()
        except BaseException:
            removed(self.place)
            raise

    def _begun(self) -> str:
        return begin_session(
            self.journal,
            kind="run",
            mountpoint=self.place.views,
            command=self.command,
            inputs=[item.commit() for item in self.given],
            cwd=self.cwd,
            environment=changed(as_text(inherited()), self.changes),
            # What is laid over our environment comes from a record, so it was recorded before.
            record_environment=(*self.terms.environment, *self.changes),
        )

    def run(
        self, message: str, author: str | None, progress: Progress, on_place: Callable[[Path], None] | None
    ) -> RunResult:
        """Run and commit; whatever happens, nothing stays mounted, and it is tried to record the end of the session."""
        try:
            result = self._done(message, author, progress, on_place)
        except VfsError as error:
            raise with_lines(error, *self._where(), *self._ended()) from error
        except BaseException as error:
            self._kept()
            # Told after the interrupt itself.
            for line in self._ended():
                error.add_note(line)
            raise
        return msgspec.structs.replace(result, warnings=(*self.warnings, *result.warnings, *self._ended()))

    def _done(
        self, message: str, author: str | None, progress: Progress, on_place: Callable[[Path], None] | None
    ) -> RunResult:
        """Do it all, and leave nothing but what is to be kept."""
        self._note_code()
        with ExitStack() as mounted:
            self._mount(mounted)
            if on_place is not None:
                on_place(self.place.output)
            self.code, leftovers, lost = self._execute()
        if self.code:
            return self._failed(leftovers, lost)
        if lost:
            raise DaemonError(f"run: {lost[0]}; nothing was committed")
        record = self._record()
        declared = self._declared(record)
        declared.check(self.terms.strict)
        result = self._finish(record, message, author, progress)
        left = (*result.warnings, *removed(self.place))
        return msgspec.structs.replace(result, leftovers=leftovers, declared=declared, warnings=left)

    def _failed(self, leftovers: int, lost: tuple[str, ...]) -> RunResult:
        """The end of a command that did not end with 0. Nothing is more telling than that."""
        declared = Declared()
        try:
            # With reads missing it would be said of inputs that they were not used.
            declared = self._declared(self._record()) if not lost else declared
        except VfsError as error:
            lost = (str(error),)
        return RunResult(self.code, self.session, None, self._kept(), leftovers, lost, declared=declared)

    def _ended(self) -> tuple[str, ...]:
        return ended(self.journal, self.session, exit_code=self.code)

    def _finish(self, record: RunRecord, message: str, author: str | None, progress: Progress) -> RunResult:
        if self.examine is not None:
            self.examine(self._output())
        if self.target is None:
            return RunResult(0, self.session)
        stored, created, warnings = self._commit(self.target, record, message, author, progress)
        return RunResult(0, self.session, stored, warnings=warnings, repo_created=created)

    def _note_code(self) -> None:
        """Record which code runs, before it runs: it may change itself."""
        told = code_of(self.command, cwd=self.cwd)
        self.warnings = told.warnings
        self.journal.append([CodeSeen(session=self.session, code=told.code, image=self.terms.image)])

    def _mount(self, mounted: ExitStack) -> None:
        views = tuple(item.view() for item in self.given)
        point, title = str(self.place.views), f"run {self.place.id}"
        mount_views(self.library, point, views, mounted, title=title, session=self.session)

    def _execute(self) -> tuple[int, int, tuple[str, ...]]:
        """(exit code, leftovers, what could not be recorded) of the command."""
        execution = Execution(
            module="vfs.run.enter",
            what="run",
            lost="; nothing was committed",
            handover=self.place.enter,
            errand=self._errand,
            variables=variables(self.given),
            entered=self._entered,
            flush=self._flush,
            cwd=self.cwd,
            stdout=self.stdout,
        )
        return execution.run()

    def _errand(self, mask: list[int]) -> EnterSpec:
        place = self.place
        return EnterSpec(
            views=str(place.views),
            out=str(place.out if place.room is None else place.room.out),
            room="" if place.room is None else str(place.room.directory),
            root=str(place.root),
            command=[os.fsdecode(word) for word in self.command],
            mask=mask,
            changes=self.changes,
        )

    def _entered(self, pid: int) -> None:
        """The process is in its namespace, and waits before the command."""
        if self.place.room is not None:
            self.place.room.reach(pid)
        if may_watch():
            self._watch(pid)

    def _watch(self, pid: int) -> None:
        """Have the daemon record what the processes in the namespace of `pid` write; Refused when more is asked for."""
        mount = living_mount(str(self.place.views), self.library.settings.state_dir)
        if mount is None:
            raise DaemonError("run: the mount of the inputs died before the command was started")
        with Client(mount.place) as client:
            missing = client.watch_run(pid, outside=self.terms.traces)
        if missing and self.terms.traces:
            raise no_trace(missing)

    def _flush(self) -> tuple[str, ...]:
        return written_down(str(self.place.views), self.library.settings.state_dir, what="inputs")

    def _commit(
        self, target: RunTarget, record: RunRecord, message: str, author: str | None, progress: Progress
    ) -> tuple[StoredCommit, bool, tuple[str, ...]]:
        """The commit, whether the repo was made for it, and lines about what it lacks."""
        writer, branch = self.library.writer(), target.branch
        wrote = Writers(self.journal, [self.session]).last
        written = read_output(self.library, writer, self._output(), progress=progress, wrote=wrote)
        with made(self.library, target) as created:
            stored = commit_tree(
                self.library,
                repo=branch.repo,
                branch=branch.branch,
                root=written.root,
                base=branch.head,
                author=author or self.library.settings.author,
                message=message,
                record=with_outputs(record, written.outputs),
                inputs=tuple(item.commit() for item in self.given),
                writer=writer,
            )
        missed = noted(self.journal, self.session, stored=stored, branch=branch.branch, outputs=written.outputs)
        return stored, created, (*written.warnings, *missed)

    def _record(self) -> RunRecord:
        record = run_record(self.journal, self.session, exit_code=self.code)
        # A session notes commits alone; what of them was shown is ours to add.
        return msgspec.structs.replace(record, shown=shown_paths(self.given))

    def _declared(self, record: RunRecord) -> Declared:
        state_dir = self.library.settings.state_dir
        others = [os.fsencode(mount.mountpoint) for mount in Registry(state_dir).mounts() if mount.kind != "views"]
        own = [os.fsencode(os.path.realpath(state_dir))]
        return declared_of(record, traced=self.terms.traces, own=own, mounts=others)

    def _kept(self) -> Path | None:
        """The directory with what was written, if there is any."""
        try:
            return self.place.output if self.place.keep() else None
        except VfsError:
            # It could not be looked into, or not taken away: better named than not.
            return self.place.output

    def _output(self) -> Path:
        written = self.place.written
        if written is None:
            raise DaemonError("run: the command ended well, and its output was never reached")
        return written

    def _where(self) -> list[str]:
        """A line that says where the output is, if there is any."""
        kept = self._kept()
        return [f"what the command wrote is kept in {described(kept)}"] if kept is not None else []
