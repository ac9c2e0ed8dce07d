"""`vfs shell`: a command, or a shell, in a writable tree that it alone sees; what it wrote stays in a layer.

Order: the session is begun in the journal and noted in the layer, the commit below is mounted, the command runs in a
mount namespace with the layer over it, the daemon writes down what was read. The layer is on disk before anything
is written to it, so whatever dies meanwhile, what was written is there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack

import msgspec

from vfs.control.client import Client
from vfs.control.spec import OUTPUT_NAME, View
from vfs.errors import DaemonError, UsageError, VfsError
from vfs.journal.log import Journal
from vfs.journal.session import begin_session
from vfs.model.commit import InputCommit
from vfs.repo.library import Library
from vfs.run.ending import ended, removed, with_lines
from vfs.run.execution import Execution
from vfs.run.leaving import clear_dead_mounts, living_mount, written_down
from vfs.run.namespace import PLACE
from vfs.run.place import RunPlace
from vfs.run.shell_enter import ShellSpec
from vfs.run.views import mount_views
from vfs.run.watching import may_watch
from vfs.workspace.layer import Layer

_REPORT_MAX = 1 << 16
# Taken by no input of a run, so a tree of that name is shown under another.
_TREE = "tree"
# The command was never started.
_NOT_STARTED = 1


class ShellEnded(msgspec.Struct, frozen=True):
    """How the command ended: its exit code (128 + signal when it was killed), the session of the journal, how many
    processes outlived it and were ended. `lost` are whole lines about what of it could not be recorded, so that nothing
    may be committed; `warnings` those about what else went wrong at the end.
    """

    exit_code: int
    session: str
    leftovers: int = 0
    lost: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def shown_at(repo: str) -> str:
    """Where a shell sees the tree of `repo`."""
    return f"{PLACE}/{_name(repo)}"


def default_shell() -> list[bytes]:
    """The user's shell, `/bin/sh` where they have none."""
    return [os.environb.get(b"SHELL") or b"/bin/sh"]


def shell(library: Library, layer: Layer, *, command: Sequence[bytes], invocation: Sequence[bytes]) -> ShellEnded:
    """Run `command` in the tree that `layer` shows, and return when it and all that it started has ended.

    `invocation` is the command line of vfs, for the journal. UsageError for a command that is none, Busy when the layer
    is mounted, MountError when there can be no mount or namespace; else as `vfs.run.runner.run`.
    """
    if any(b"\0" in word for word in command) or not command or not command[0]:
        raise UsageError("shell: the command is empty or holds a NUL")
    clear_dead_mounts(library.settings.state_dir)
    with Journal.open(library.settings.state_dir) as journal, layer.reachable():
        return _Shell(library, journal, layer, list(command)).run(invocation)


class _Shell:
    """One shell on its way."""

    def __init__(self, library: Library, journal: Journal, layer: Layer, command: list[bytes]) -> None:
        self.library = library
        self.journal = journal
        self.layer = layer
        self.command = command
        self.name = _name(layer.base.repo)
        self.place = RunPlace.create(library.settings.state_dir)

    def run(self, invocation: Sequence[bytes]) -> ShellEnded:
        """Run the command; whatever happens, nothing stays mounted, and the session is ended if the disk allows it."""
        try:
            session = self._begun(invocation)
        except BaseException:
            removed(self.place)
            raise
        try:
            result = self._done(session)
        except VfsError as error:
            raise with_lines(error, *self._left(session, _NOT_STARTED)) from error
        except BaseException as error:
            # Told after the interrupt itself.
            for line in self._left(session, _NOT_STARTED):
                error.add_note(line)
            raise
        return msgspec.structs.replace(result, warnings=self._left(session, result.exit_code))

    def _begun(self, invocation: Sequence[bytes]) -> str:
        base = self.layer.base
        return begin_session(
            self.journal,
            kind="mount",
            mountpoint=os.fsencode(self.layer.directory),
            command=invocation,
            inputs=[InputCommit(base.repo, base.repo, base.id)],
        )

    def _done(self, session: str) -> ShellEnded:
        self.layer.add_session(session)
        with ExitStack() as mounted:
            self._mount(mounted, session)
            code, leftovers, lost = self._execute()
        return ShellEnded(code, session, leftovers, lost)

    def _left(self, session: str, code: int) -> tuple[str, ...]:
        """End the session, and leave nothing of the place; lines about what could not be done."""
        return (*ended(self.journal, session, exit_code=code), *removed(self.place))

    def _mount(self, mounted: ExitStack, session: str) -> None:
        views = (View(self.name, self.layer.base.repo, self.layer.base.commit),)
        point, title = str(self.place.views), f"shell {self.layer.id}"
        mount_views(self.library, point, views, mounted, title=title, session=session, overlaid=True)

    def _execute(self) -> tuple[int, int, tuple[str, ...]]:
        """(exit code, leftovers, what could not be recorded) of the command."""
        execution = Execution(
            module="vfs.run.shell_enter",
            what="shell",
            lost="",
            handover=self.place.enter,
            errand=self._errand,
            variables={"VFS_TREE": shown_at(self.layer.base.repo), "VFS_LAYER": self.layer.id},
            entered=self._entered,
            flush=self._flush,
        )
        return execution.run()

    def _errand(self, mask: list[int]) -> ShellSpec:
        return ShellSpec(
            views=str(self.place.views),
            name=self.name,
            layer=str(self.layer.directory),
            root=str(self.place.root),
            command=[os.fsdecode(word) for word in self.command],
            mask=mask,
        )

    def _entered(self, pid: int) -> None:
        """Have the daemon record who writes the files of the layer, where the kernel could report that."""
        if not may_watch():
            return
        mount = living_mount(str(self.place.views), self.library.settings.state_dir)
        if mount is None:
            raise DaemonError("shell: the mount of the commit died before the command was started")
        with Client(mount.place) as client:
            client.watch_shell(pid, shown=f"{PLACE}/{self.name}", upper=os.fspath(self.layer.upper))

    def _flush(self) -> tuple[str, ...]:
        return written_down(str(self.place.views), self.library.settings.state_dir, what="commit")


def _name(repo: str) -> str:
    return repo if repo != OUTPUT_NAME else _TREE
