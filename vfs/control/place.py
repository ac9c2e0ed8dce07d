"""The state directory of one mount: which files it holds, and the lock that says its daemon lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

import msgspec

from vfs.files.atomic import write_atomic
from vfs.files.translate import local_error


class DaemonInfo(msgspec.Struct, frozen=True):
    """What a daemon says of itself when it starts. `started_ns` is nanoseconds since the epoch."""

    pid: int
    started_ns: int
    version: str
    session: str


class Place:
    """`<state_dir>/mounts/<id>`, mode 0700.

    Invariant: the file `lock` is flocked from before `spec.json` exists until the daemon's last breath, first by
    the process that starts the daemon, then by the daemon, which inherits the descriptor. So a directory
    with a spec and a free lock belongs to a daemon that is gone, however it went.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.id = os.path.basename(directory)

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    @property
    def spec(self) -> str:
        """What is mounted, as JSON."""
        return self._path("spec.json")

    @property
    def daemon(self) -> str:
        """What the daemon says of itself."""
        return self._path("daemon.json")

    @property
    def lock(self) -> str:
        """The file whose lock the daemon holds."""
        return self._path("lock")

    @property
    def log(self) -> str:
        """Where a detached daemon writes."""
        return self._path("vfsd.log")

    @property
    def lower(self) -> str:
        """The mount point of the commit below a writable layer."""
        return self._path("lower")

    @property
    def control(self) -> str:
        """The control socket."""
        return self._path("control.sock")

    @property
    def metrics(self) -> str:
        """The socket that serves /metrics."""
        return self._path("metrics.sock")

    def take_lock(self) -> int:
        """The descriptor of the lock, taken for good; -1 when somebody holds it."""
        try:
            fd = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise local_error(self.lock, "opened", error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return -1
        return fd

    def alive(self) -> bool:
        """True while a daemon (or the process that is starting it) holds the lock."""
        try:
            fd = os.open(self.lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            # Shared, so that two who look at once do not take each other for a daemon.
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        else:
            return False
        finally:
            os.close(fd)

    def write_daemon(self, info: DaemonInfo) -> None:
        """Record who the daemon is."""
        write_atomic(self.daemon, msgspec.json.encode(info))

    def read_daemon(self) -> DaemonInfo | None:
        """Who the daemon is or was; None before it said so."""
        try:
            with open(self.daemon, "rb") as file:
                return msgspec.json.decode(file.read(4096), type=DaemonInfo)
        except (OSError, msgspec.MsgspecError):
            return None

    def remove(self) -> None:
        """Remove the directory with what is in it; a directory that is still mounted on is left."""
        with contextlib.suppress(OSError):
            with os.scandir(self.directory) as entries:
                for entry in entries:
                    _remove(entry)
            os.rmdir(self.directory)


def _remove(entry: os.DirEntry[str]) -> None:
    """Not recursive: below `lower` lies the commit, while it is mounted."""
    with contextlib.suppress(OSError):
        if entry.is_dir(follow_symlinks=False):
            os.rmdir(entry.path)
        else:
            os.unlink(entry.path)


@contextlib.contextmanager
def reachable(path: str) -> Iterator[str]:
    """A short name for the socket `path`: an address of AF_UNIX has 107 bytes, a state directory may have more."""
    fd = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{os.path.basename(path)}"
    finally:
        os.close(fd)
