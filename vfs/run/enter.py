"""`python -m vfs.run.enter SPEC FD RUNNER`: sets up a run's namespace, runs the command there, and says how it ended.

A process of its own because namespaces need one with a single thread, and forking from one with several is
not safe. Imports little, so that it is up in some 20 ms. What it says goes to the socket FD as JSON objects: that it is
ready, and in the end `{"code": …, "leftovers": …}` or `{"wire": …, "message": …}`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from vfs.errors import VfsError
from vfs.run.conversation import may_go, say, told_to_go
from vfs.run.environment import changed, inherited
from vfs.run.errand import Errand
from vfs.run.namespace import enter
from vfs.run.supervisor import Supervisor

# Our exit status says nothing: the runner reads the report, and does without when there is none.
_DONE, _FAILED = 0, 1


@dataclass(frozen=True, kw_only=True)
class EnterSpec(Errand):
    """The namespace of a run, and its command. `changes`: what the command finds otherwise in our environment.

    `room`: the directory of the volume that `out` lies in, where its size is limited.
    """

    views: str
    out: str
    root: str
    changes: dict[str, str | None] = field(default_factory=dict)
    room: str = ""


def main(words: Sequence[str]) -> int:
    """Do it all; the exit status."""
    path, fd, runner = words[0], int(words[1]), int(words[2])
    os.set_inheritable(fd, False)
    try:
        spec = EnterSpec.read(path)
        enter(views=spec.views, out=spec.out, root=spec.root, prepare=lambda: _make_room(spec))
        if not may_go(fd):
            return _FAILED
        environment = changed(inherited(), _encoded(spec.changes))
        ended = Supervisor(runner, spec.mask).run([os.fsencode(word) for word in spec.command], environment)
    except VfsError as error:
        say(fd, {"wire": error.wire, "message": str(error)})
        return _FAILED
    say(fd, asdict(ended))
    # What is known of the namespace, and lies in it, is there until the runner hangs up.
    told_to_go(fd)
    return _DONE


def _make_room(spec: EnterSpec) -> None:
    if spec.room:
        # Most runs are up sooner without it.
        from vfs.run.room import Room

        Room(Path(spec.room)).mount()


def _encoded(changes: dict[str, str | None]) -> dict[bytes, bytes | None]:
    return {os.fsencode(name): None if value is None else os.fsencode(value) for name, value in changes.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
