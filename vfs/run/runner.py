"""`vfs run`: inputs mounted, a command run over them, what it wrote committed with the record of how it came to be.

Order: the session is begun in the journal, the inputs are mounted, the command runs. When it ended well: the
daemon writes down what was read, the output is read, then packs, commit object, branch, journal. When anything
goes wrong nothing is committed and the output directory is kept; what stands then is said in docs/RUN.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from vfs.control.client import Client
from vfs.control.launch import start
from vfs.control.registry import Registry
from vfs.control.spec import MountSpec, new_id
from vfs.errors import DaemonError, UsageError, VfsError
from vfs.journal.environment import check_recorded
from vfs.journal.events import CodeSeen
from vfs.journal.log import Journal
from vfs.journal.record import run_record, with_outputs
from vfs.journal.session import begin_session, end_session, note_commit
from vfs.journal.writers import Writers
from vfs.model.commit import StoredCommit
from vfs.model.record import RunRecord
from vfs.model.revision import Revision
from vfs.repo.commit import commit_tree
from vfs.repo.library import Library
from vfs.repo.progress import NoProgress, Progress
from vfs.run.code import code_of
from vfs.run.declared import Declared, declared_of
from vfs.run.environment import as_text, changed, inherited
from vfs.run.execution import Execution
from vfs.run.image import image_of
from vfs.run.inputs import GivenInput, Input, find_inputs, shown_paths, variables
from vfs.run.leaving import clear_dead_mounts, living_mount, unmount, written_down
from vfs.run.output import Written, read_output
from vfs.run.place import RunPlace
from vfs.run.target import RunTarget, default_message, find_target, made
from vfs.run.terms import NO_TERMS, Terms
from vfs.run.watching import check_trace, no_trace
from vfs.store.marked import marker_of

# The command was never started, and the process that was to start it said why.
_NOT_STARTED = 1


class RunResult(msgspec.Struct, frozen=True):
    """How a run ended. `exit_code` is the command's (128 + signal when it was killed).

    `stored` is the commit of a command that ended with 0. `kept` is the directory with what any other one
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
        one = _Run(
            library, journal, given, target, command,
            examine=examine, cwd=cwd, changes=changes, stdout=stdout, terms=terms,
        )  # fmt: skip
        return one.run(message or default_message(command), author, progress or NoProgress(), on_place)


class _Run:
    """One run on its way."""

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
        self.place = RunPlace.create(library.settings.state_dir)
        self.session = begin_session(
            journal,
            kind="run",
            mountpoint=self.place.views,
            command=command,
            inputs=[item.commit() for item in given],
            cwd=cwd,
            environment=changed(as_text(inherited()), self.changes),
            # What is laid over our environment comes from a record, so it was recorded before.
            record_environment=(*terms.environment, *self.changes),
        )

    def run(
        self, message: str, author: str | None, progress: Progress, on_place: Callable[[Path], None] | None
    ) -> RunResult:
        """Run and commit; whatever happens, nothing stays mounted and the session is ended."""
        code = _NOT_STARTED
        try:
            self._note_code()
            with ExitStack() as mounted:
                self._mount(mounted)
                if on_place is not None:
                    on_place(self.place.out)
                code, leftovers, lost = self._execute()
            record = self._record(code)
            declared = self._declared(record)
            if code:
                return RunResult(
                    code, self.session, None, self._kept(), leftovers, (*self.warnings, *lost), declared=declared
                )
            if lost:
                raise DaemonError(f"run: {lost[0]}; nothing was committed")
            declared.check(self.terms.strict)
            result = self._finish(record, message, author, progress)
        except VfsError as error:
            raise self._with_place(error) from error
        except BaseException:
            self._kept()
            raise
        finally:
            end_session(self.journal, self.session, exit_code=code)
        self.place.remove()
        return msgspec.structs.replace(result, leftovers=leftovers, declared=declared)

    def _finish(self, record: RunRecord, message: str, author: str | None, progress: Progress) -> RunResult:
        if self.examine is not None:
            self.examine(self.place.out)
        if self.target is None:
            return RunResult(0, self.session, warnings=self.warnings)
        written, stored, created = self._commit(self.target, record, message, author, progress)
        warnings = (*self.warnings, *written.warnings)
        return RunResult(0, self.session, stored, warnings=warnings, repo_created=created)

    def _note_code(self) -> None:
        """Record which code runs, before it runs: it may change itself."""
        told = code_of(self.command, cwd=self.cwd)
        self.warnings = told.warnings
        self.journal.append([CodeSeen(session=self.session, code=told.code, image=self.terms.image)])

    def _mount(self, mounted: ExitStack) -> None:
        settings = self.library.settings
        point = str(self.place.views)
        spec = MountSpec(
            id=new_id(),
            mountpoint=point,
            kind="views",
            settings=settings,
            views=tuple(item.view() for item in self.given),
            title=f"run {self.place.id}",
            session=self.session,
            owner_pid=os.getpid(),
            marker=marker_of(self.library.store),
        )
        start(spec)
        mounted.callback(unmount, point, settings.state_dir)

    def _execute(self) -> tuple[int, int, tuple[str, ...]]:
        """(exit code, leftovers, what could not be recorded) of the command."""
        execution = Execution(
            place=self.place,
            command=self.command,
            variables=variables(self.given),
            changes=self.changes,
            cwd=self.cwd,
            stdout=self.stdout,
            watch=self._watch,
            flush=self._flush,
        )
        return execution.run()

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
    ) -> tuple[Written, StoredCommit, bool]:
        writer, branch = self.library.writer(), target.branch
        wrote = Writers(self.journal, [self.session]).last
        written = read_output(self.library, writer, self.place.out, progress=progress, wrote=wrote)
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
        note_commit(self.journal, self.session, stored=stored, branch=branch.branch, outputs=written.outputs)
        return written, stored, created

    def _record(self, code: int) -> RunRecord:
        record = run_record(self.journal, self.session, exit_code=code)
        # A session notes commits alone; what of them was shown is ours to add.
        return msgspec.structs.replace(record, shown=shown_paths(self.given))

    def _declared(self, record: RunRecord) -> Declared:
        state_dir = self.library.settings.state_dir
        others = [os.fsencode(mount.mountpoint) for mount in Registry(state_dir).mounts() if mount.kind != "views"]
        own = [os.fsencode(os.path.realpath(state_dir))]
        return declared_of(record, traced=self.terms.traces, own=own, mounts=others)

    def _kept(self) -> Path | None:
        return self.place.out if self.place.keep() else None

    def _with_place(self, error: VfsError) -> VfsError:
        """`error`, saying where the output is."""
        kept = self._kept()
        return type(error)(f"{error}; what the command wrote is kept in {kept}") if kept is not None else error
