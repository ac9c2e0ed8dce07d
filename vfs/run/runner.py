"""`vfs run`: inputs mounted, a command run over them, what it wrote committed with the record of how it came to be.

Order: the session is begun in the journal, the inputs are mounted, the command runs. When it ended well: the
daemon writes down what was read, the output is read, then packs, commit object, branch, journal. When anything
goes wrong nothing is committed and the output directory is kept; what stands then is said in docs/RUN.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec

from vfs.control.client import Client
from vfs.control.dead import clear_dead
from vfs.control.launch import start
from vfs.control.registry import Mount, Registry
from vfs.control.spec import MountSpec, new_id
from vfs.control.stop import stop
from vfs.errors import DaemonError, UsageError, VfsError
from vfs.journal.log import Journal
from vfs.journal.record import run_record
from vfs.journal.session import begin_session, end_session, note_commit
from vfs.journal.writers import Writers
from vfs.model.commit import StoredCommit
from vfs.model.record import RunRecord
from vfs.model.revision import Revision
from vfs.repo.commit import commit_tree
from vfs.repo.library import Library
from vfs.repo.progress import NoProgress, Progress
from vfs.run.environment import as_text, changed, inherited
from vfs.run.execution import Execution
from vfs.run.inputs import GivenInput, Input, find_inputs, shown_paths, variables
from vfs.run.output import Written, read_output
from vfs.run.place import RunPlace, places
from vfs.run.target import RunTarget, default_message, find_target, made
from vfs.run.watching import check_trace, no_trace
from vfs.store.marked import marker_of

# The command was never started, and the process that was to start it said why.
_NOT_STARTED = 1
_DIED = "the mount of the inputs died under the command"


class RunResult(msgspec.Struct, frozen=True):
    """How a run ended. `exit_code` is the command's (128 + signal when it was killed).

    `stored` is the commit of a command that ended with 0. `kept` is the directory with what any other one
    wrote, None when it wrote nothing. `leftovers` counts processes that outlived the command and were ended;
    `warnings` are whole lines. `repo_created`: the repo of the output did not exist and was made for the commit.
    """

    exit_code: int
    session: str
    stored: StoredCommit | None = None
    kept: Path | None = None
    leftovers: int = 0
    warnings: tuple[str, ...] = ()
    repo_created: bool = False


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
    trace_outside: bool = False,
) -> RunResult:
    """Run `command` over `inputs`; commit what it writes to the branch `output` when it ends with 0.

    A repo that is not there is made for the commit, and only then. Without `message` the command line is it.
    Before anything starts: UsageError, and what `resolve` raises. MountError when inputs or namespace cannot be
    had. After the command: DaemonError when its inputs failed under it, Conflict when the branch was moved and
    cannot be merged, Refused for output that cannot be read; then the message names where the output is kept.
    `on_place` is told that directory before the command starts. `trace_outside`: list the files that the processes
    open outside of /pfs as well; Refused, before anything starts, where that cannot be seen.
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
        trace_outside=trace_outside,
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
    trace_outside: bool = False,
) -> RunResult:
    """As `run`, with what that looks up found already. Without `target` nothing is committed or kept of a good run.

    `examine` is given the directory of what was written when the command ended with 0, before that is committed.
    `cwd`: where the command runs, here by default; `changes` are laid over our environment, None takes a variable away.
    `stdout`: the descriptor that is the command's standard output, ours by default.
    """
    if trace_outside:
        check_trace()
    _clear_dead_mounts(library.settings.state_dir)
    with Journal.open(library.settings.state_dir) as journal:
        one = _Run(library, journal, given, target, command, examine=examine, cwd=cwd, changes=changes, stdout=stdout)
        one.trace_outside = trace_outside
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
        self.trace_outside = False
        self.place = RunPlace.create(library.settings.state_dir)
        self.session = begin_session(
            journal,
            kind="run",
            mountpoint=self.place.views,
            command=command,
            inputs=[item.commit() for item in given],
            cwd=cwd,
            environment=changed(as_text(inherited()), self.changes),
        )

    def run(
        self, message: str, author: str | None, progress: Progress, on_place: Callable[[Path], None] | None
    ) -> RunResult:
        """Run and commit; whatever happens, nothing stays mounted and the session is ended."""
        code = _NOT_STARTED
        try:
            with ExitStack() as mounted:
                self._mount(mounted)
                if on_place is not None:
                    on_place(self.place.out)
                code, leftovers, lost = self._execute()
            if code:
                return RunResult(code, self.session, None, self._kept(), leftovers, lost)
            if lost:
                raise DaemonError(f"run: {lost[0]}; nothing was committed")
            result = self._finish(leftovers, message, author, progress)
        except VfsError as error:
            raise self._with_place(error) from error
        except BaseException:
            self._kept()
            raise
        finally:
            end_session(self.journal, self.session, exit_code=code)
        self.place.remove()
        return result

    def _finish(self, leftovers: int, message: str, author: str | None, progress: Progress) -> RunResult:
        if self.examine is not None:
            self.examine(self.place.out)
        if self.target is None:
            return RunResult(0, self.session, leftovers=leftovers)
        written, stored, created = self._commit(self.target, message, author, progress)
        return RunResult(0, self.session, stored, None, leftovers, written.warnings, created)

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
        mounted.callback(_unmount, point, settings.state_dir)

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
        mount = self._find_mount()
        if mount is None:
            raise DaemonError(f"run: {_DIED}")
        with Client(mount.place) as client:
            missing = client.watch_run(pid, outside=self.trace_outside)
        if missing and self.trace_outside:
            raise no_trace(missing)

    def _flush(self) -> tuple[str, ...]:
        """Make the daemon write down what was read. A line that says so when it is not there any more."""
        mount = self._find_mount()
        if mount is None:
            return (_DIED,)
        try:
            with Client(mount.place) as client:
                client.flush()
        except VfsError as error:
            return (f"what the command read could not be recorded: {error}",)
        return ()

    def _find_mount(self) -> Mount | None:
        mount = Registry(self.library.settings.state_dir).find(str(self.place.views))
        return mount if mount is not None and mount.alive else None

    def _commit(
        self, target: RunTarget, message: str, author: str | None, progress: Progress
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
                record=self._record(written),
                inputs=tuple(item.commit() for item in self.given),
                writer=writer,
            )
        note_commit(self.journal, self.session, stored=stored, branch=branch.branch, outputs=written.outputs)
        return written, stored, created

    def _record(self, written: Written) -> RunRecord:
        record = run_record(self.journal, self.session, outputs=written.outputs)
        # A session notes commits alone; what of them was shown is ours to add.
        return msgspec.structs.replace(record, shown=shown_paths(self.given))

    def _kept(self) -> Path | None:
        return self.place.out if self.place.keep() else None

    def _with_place(self, error: VfsError) -> VfsError:
        """`error`, saying where the output is."""
        kept = self._kept()
        return type(error)(f"{error}; what the command wrote is kept in {kept}") if kept is not None else error


def _unmount(point: str, state_dir: str) -> None:
    # The namespace went with its last process. Should the mount be busy all the same, it goes when it no longer is.
    try:
        stop(point, state_dir=state_dir)
    except VfsError:
        with suppress(VfsError):
            stop(point, state_dir=state_dir, lazy=True)


def _clear_dead_mounts(state_dir: str) -> None:
    """Take away mounts of runs whose runner and daemon were both killed."""
    registry = Registry(state_dir)
    for place in places(state_dir):
        if place.views.is_dir() and not place.is_live():
            clear_dead(registry, str(place.views))
