"""Starting the daemon of a mount, and seeing it off."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

import msgspec

from vfs.control.dead import clear_dead, sweep
from vfs.control.mountpoint import canonical, check_allow_other, check_machine, check_mountpoint
from vfs.control.place import Place
from vfs.control.ready import await_ready, raise_unless_ready
from vfs.control.registry import Registry, taken
from vfs.control.spec import MountSpec, check_spec
from vfs.errors import DaemonError, VfsError
from vfs.files.translate import cause_of

# Opening the store and reading one page: a store far away may take some seconds, and retries as many again.
START_SECONDS = 60.0
# `-P`: the directory we happen to be in must not lend the daemon its modules.
_DAEMON = (sys.executable, "-P", "-m", "vfsd")
_LOG_TAIL = 400
_LOOKS, _LOOK_AGAIN = 50, 0.02


def start(spec: MountSpec, *, foreground: bool = False, timeout: float = START_SECONDS) -> None:
    """Mount what `spec` says and return when the mount answers. Dead mounts on the directory are cleared first.

    With `foreground` this process becomes the daemon, and the call does not return. MountError names what the
    mount point or the machine lacks and the remedy; errors of the store and the repo are raised as they are;
    DaemonError when the daemon fails otherwise.
    """
    registry = Registry(spec.settings.state_dir)
    spec = _checked(registry, msgspec.structs.replace(spec, mountpoint=canonical(spec.mountpoint)))
    place, lock = registry.create(spec)
    try:
        if foreground:
            _become(place, lock)
        _spawn(place, lock, timeout)
    except BaseException:
        os.close(lock)
        _clean_up(registry, place, spec.mountpoint)
        raise
    os.close(lock)


def _checked(registry: Registry, spec: MountSpec) -> MountSpec:
    check_spec(spec)
    sweep(registry)
    clear_dead(registry, spec.mountpoint)
    other = registry.find(spec.mountpoint)
    if other is not None and other.alive:
        raise taken(other)
    check_mountpoint(spec.mountpoint)
    check_machine()
    return msgspec.structs.replace(spec, allow_other=check_allow_other(spec.allow_other))


def _clean_up(registry: Registry, place: Place, point: str) -> None:
    """Take away what a daemon that did not come up left; one that is still on its way out is given a moment."""
    for _ in range(_LOOKS):
        if not place.alive():
            break
        time.sleep(_LOOK_AGAIN)
    with contextlib.suppress(VfsError):
        clear_dead(registry, point)


def _become(place: Place, lock: int) -> None:
    os.set_inheritable(lock, True)
    words = [*_DAEMON, "--foreground", "--lock-fd", str(lock), place.spec]
    try:
        os.execve(words[0], words, _environment())
    except OSError as error:
        raise DaemonError(f"{words[0]}: cannot be executed: {cause_of(error)}") from error


def _spawn(place: Place, lock: int, timeout: float) -> None:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        words = [*_DAEMON, "--lock-fd", str(lock), "--ready-fd", str(writer), place.spec]
        try:
            _run_detached(words, place, (lock, writer))
        finally:
            os.close(writer)
        _await(reader, place, timeout)
    finally:
        os.close(reader)


def _run_detached(words: list[str], place: Place, pass_fds: tuple[int, ...]) -> None:
    """Run the daemon, which puts itself in the background at once: what we wait for is its first process."""
    try:
        with open(place.log, "ab", opener=_private) as log:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environment(),
                pass_fds=pass_fds,
                start_new_session=True,
                timeout=START_SECONDS,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DaemonError(f"vfsd: cannot be started: {error}") from error
    if done.returncode:
        raise DaemonError(f"vfsd: ended with status {done.returncode} before it was ready: {_last_words(place)}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _environment() -> dict[str, str]:
    """Ours, with fewer malloc arenas: eight threads that each have their own keep 50 MiB more than is in use."""
    environment = {"MALLOC_ARENA_MAX": "2", **os.environ}
    # The daemon runs in /, where a relative entry would mean another directory.
    path = [os.path.abspath(part) for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    return {**environment, "PYTHONPATH": os.pathsep.join(path)} if path else environment


def _await(reader: int, place: Place, timeout: float) -> None:
    try:
        said = await_ready(reader, timeout=timeout)
    except BaseException:
        _kill(place)
        raise
    if said is None:
        raise DaemonError(f"vfsd: died before the mount was ready: {_last_words(place)}")
    raise_unless_ready(said)


def _kill(place: Place) -> None:
    daemon = place.read_daemon()
    if daemon is not None and place.alive():
        with contextlib.suppress(OSError):
            os.kill(daemon.pid, signal.SIGKILL)


def _last_words(place: Place) -> str:
    try:
        with open(place.log, "rb") as log:
            log.seek(max(0, os.path.getsize(place.log) - _LOG_TAIL))
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it left no message"
