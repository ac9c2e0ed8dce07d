"""`python -m vfs.run.shell_enter SPEC FD RUNNER`: a namespace with a writable tree at /pfs/NAME, and a command in it.

As `vfs.run.enter`, whose means it uses: a process of its own, with one thread, that says on the descriptor FD how it
went. It holds the layer's mount lock until it ends, so the layer counts as mounted though nobody else sees the mount.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from vfs.errors import MountError, VfsError
from vfs.files.translate import cause_of
from vfs.run.conversation import may_go, say, told_to_go
from vfs.run.environment import inherited
from vfs.run.errand import Errand
from vfs.run.namespace import PLACE, enter_showing
from vfs.run.supervisor import Supervisor
from vfs.workspace import syscalls
from vfs.workspace.layer import Layer
from vfs.workspace.overlay import claim_mount, mount_in_kernel


@dataclass(frozen=True, kw_only=True)
class ShellSpec(Errand):
    """What a shell is shown, and its command.

    `views`: where the commit below is mounted, as the directory `name`; `layer`: the directory of the layer over it;
    `root`: an empty directory, for a new root.
    """

    views: str
    name: str
    layer: str
    root: str


def main(words: Sequence[str]) -> int:
    """Do it all; the exit status, which says nothing more than the report."""
    path, fd, runner = words[0], int(words[1]), int(words[2])
    os.set_inheritable(fd, False)
    try:
        spec = ShellSpec.read(path)
        layer = Layer(spec.layer)
        lock = claim_mount(layer)
        enter_showing(lambda place: _show(spec, layer, place), root=spec.root)
        _go_to(f"{PLACE}/{spec.name}")
        if not may_go(fd):
            return 1
        ended = Supervisor(runner, spec.mask).run([os.fsencode(word) for word in spec.command], inherited())
    except VfsError as error:
        say(fd, {"wire": error.wire, "message": str(error)})
        return 1
    say(fd, asdict(ended))
    told_to_go(fd)
    lock.release()
    return 0


def _show(spec: ShellSpec, layer: Layer, place: str) -> None:
    syscalls.mount(spec.views, place, flags=syscalls.MS_BIND)
    mount_in_kernel(f"{spec.views}/{spec.name}", layer, f"{place}/{spec.name}")


def _go_to(directory: str) -> None:
    try:
        os.chdir(directory)
    except OSError as error:
        raise MountError(f"{directory}: cannot be entered: {cause_of(error)}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
