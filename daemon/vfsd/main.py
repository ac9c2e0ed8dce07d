"""`vfsd SPEC`: from a specification to a mount; what `vfs mount` and service managers run."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from vfs.control.place import Place
from vfs.errors import DaemonError, VfsError

EXIT_BUG = 70
# Seconds. A thread that decodes a page holds the interpreter; the default of 5 ms would be added to requests that
# are answered from memory meanwhile.
_SWITCH_INTERVAL = 0.001
EXIT_INTERRUPTED = 130


@click.command(help="Mount what the specification SPEC says, and serve it. Started by `vfs mount`.")
@click.argument("spec", type=click.Path(dir_okay=False))
@click.option("--foreground", is_flag=True, help="Stay in the foreground and log to stderr.")
@click.option("--lock-fd", type=int, default=-1, help="Descriptor of the lock of the state directory, taken already.")
@click.option("--ready-fd", type=int, default=-1, help="Descriptor on which to say that the mount answers.")
def main(spec: str, foreground: bool, lock_fd: int, ready_fd: int) -> NoReturn:
    """Run the daemon; ends the process."""
    os.umask(0o077)
    sys.setswitchinterval(_SWITCH_INTERVAL)
    if not foreground and os.fork():
        # Whoever started us waits for this process only; the child belongs to nobody.
        os._exit(0)
    code = _run(os.path.abspath(spec), foreground=foreground, lock_fd=lock_fd, ready=_Ready(ready_fd))
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: a thread that waits for a store far away must not keep the process.
    os._exit(code)


class _Ready:
    """Says once how the start went: to the pipe, or to stderr and the service manager.

    DaemonError when whoever started us has given up waiting: then nobody would know of the mount.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._said = False

    def say(self, error: VfsError | None = None) -> None:
        from vfs.control.ready import announce
        from vfsd.notify import notify

        if error is not None and (self._said or self._fd < 0):
            print(f"vfsd: {error}", file=sys.stderr)
        if self._said:
            return
        self._said = True
        if self._fd >= 0 and not announce(self._fd, error) and error is None:
            raise DaemonError("vfsd: whoever asked for the mount did not wait for it")
        if error is None:
            notify("READY=1")


def _run(path: str, *, foreground: bool, lock_fd: int, ready: _Ready) -> int:
    from vfsd.logs import set_up_logging

    place = Place(os.path.dirname(path))
    set_up_logging(None if foreground else place.log)
    code = EXIT_BUG
    try:
        _hold_lock(place, lock_fd)
        _serve(path, place, ready)
        code = 0
    except VfsError as error:
        ready.say(error)
        code = error.exit_code
    except KeyboardInterrupt:
        ready.say(DaemonError("vfsd: interrupted"))
        code = EXIT_INTERRUPTED
    except Exception as error:
        _log_bug(error)
        ready.say(DaemonError(f"vfsd: bug: {type(error).__name__}: {error}; the log has more"))
    if code != EXIT_BUG:
        place.remove()
    return code


def _hold_lock(place: Place, fd: int) -> None:
    """Keep the lock until the process ends; nothing that we start may inherit it."""
    if fd >= 0:
        os.set_inheritable(fd, False)
    elif place.take_lock() < 0:
        raise DaemonError(f"{place.directory}: another daemon serves this mount")


def _serve(path: str, place: Place, ready: _Ready) -> None:
    import trio

    from vfs.control.spec import read_spec
    from vfsd.daemon import Daemon
    from vfsd.life import Life

    with Daemon(read_spec(path), place) as daemon:

        async def live() -> None:
            await Life(daemon).run(ready.say)

        trio.run(live)


def _log_bug(error: Exception) -> None:
    import structlog

    structlog.get_logger("vfsd").error("bug", exc_info=error)
