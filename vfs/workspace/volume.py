"""The file system of bounded size that holds what is written to a layer, or by a run: an ext4 image on a loop device.

In the directory of the layer or run: `volume.img`, all of its blocks reserved when it is made; `volume`, where it is
mounted while somebody needs it; `volume.guard` and `volume.users`, the locks that decide about that. The loop device
is the kernel's to free: it goes with the last mount of the image (autoclear).
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from vfs.config.sizes import format_size, parse_size
from vfs.errors import Busy, MountError, UsageError
from vfs.files.lock import FileLock
from vfs.files.translate import cause_of, local_error
from vfs.workspace import syscalls

# An ext4 with a journal and something in it; smaller ones have no journal, and lose what was synced.
SIZE_MIN = 16 << 20
SIZE_MAX = 16 << 40
_MKFS, _MOUNT = "mkfs.ext4", "mount"
# Where they are on systems that leave sbin out of an ordinary PATH.
_PLACES = "/usr/sbin:/sbin:/usr/bin:/bin"
# All of it for programs (-m 0), an inode for each 8 KiB. A reserved block reads as zero, so no table need be zeroed.
_ZERO = "nodiscard,lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0"
_MKFS_WORDS = ("-q", "-F", "-m", "0", "-b", "4096", "-i", "8192", "-E", _ZERO)
_MOUNT_WORDS = ("-t", "ext4", "-o", "loop,nosuid,nodev,noatime,noinit_itable,errors=remount-ro")
# Reserving and laying out 16 TiB takes a while.
_PATIENCE = 600.0


class Volume:
    """One volume. While `hold` lasts it is mounted at `point`; the last user's `release` unmounts it.

    Invariant: whoever mounts or unmounts has `volume.guard`; whoever needs it mounted has a shared lock on
    `volume.users`, which the kernel drops when the process ends. So a volume that is mounted without users was left
    by a crash, and `release_unused` takes it away. util-linux gives an image that has a loop device already the same
    one again, so two mounts of it are one file system.
    """

    def __init__(self, directory: Path) -> None:
        self.image = directory / "volume.img"
        self.point = directory / "volume"
        self._guard = FileLock(directory / "volume.guard", timeout=_PATIENCE)
        self._users = directory / "volume.users"
        self._fd = -1

    def make(self, size: int) -> None:
        """A new, empty file system of `size` bytes, which are taken from the disk now: LocalFull, MountError."""
        check_size(size)
        program = _found(_MKFS, "e2fsprogs")
        try:
            _check_room(self.image, size)
            self.point.mkdir(mode=0o700)
            fd = os.open(self.image, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                # Reserved: on a disk that fills up a sparse image would fail after the program was told it has written.
                os.posix_fallocate(fd, 0, size)
            finally:
                os.close(fd)
        except OSError as error:
            raise local_error(self.image, f"made with {format_size(size)}, which are taken now", error) from error
        _run([program, *_MKFS_WORDS, os.fspath(self.image)], f"{self.image}: cannot be made")

    def mount_here(self) -> None:
        """Have it mounted in the mount namespace of this process, with which it goes; MountError with the remedy."""
        self._mount()

    def hold(self) -> None:
        """Have it mounted until `release`; MountError with the remedy."""
        with self._guard:
            self._fd = self._lock(fcntl.LOCK_SH)
            try:
                if not os.path.ismount(self.point):
                    self._mount()
            except BaseException:
                self._let_go()
                raise

    def release(self) -> None:
        """No longer needed; unmounted when nobody else needs it. Harmless when it is not held."""
        if self._fd < 0:
            return
        with self._guard:
            self._let_go()
            self._unmount_unless_used()

    def release_unused(self) -> None:
        """Unmount what a crash left mounted."""
        if os.path.ismount(self.point):
            with suppress(Busy), FileLock(self._guard.path, timeout=0):
                self._unmount_unless_used()

    def _lock(self, how: int) -> int:
        try:
            fd = os.open(self._users, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise local_error(self._users, "locked", error) from error
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise Busy(f"{self._users}: locked by another process") from error
        return fd

    def _let_go(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _mount(self) -> None:
        words = [_found(_MOUNT, "mount"), *_MOUNT_WORDS, "--", os.fspath(self.image), os.fspath(self.point)]
        failed = "a volume of limited size cannot be mounted (loop devices are needed: modprobe loop)"
        _run(words, f"{self.point}: {failed}")

    def _unmount_unless_used(self) -> None:
        try:
            fd = self._lock(fcntl.LOCK_EX)
        except Busy:
            return
        try:
            if os.path.ismount(self.point):
                syscalls.umount(os.fspath(self.point))
        except OSError:
            # Somebody is in there with a shell; taken away when layers are next listed.
            return
        finally:
            os.close(fd)

    def __enter__(self) -> Self:
        self.hold()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def _check_room(image: Path, size: int) -> None:
    # Reserving more than there is would take all there is, if only for a moment.
    free = os.statvfs(image.parent)
    if free.f_bavail * free.f_frsize < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def limit_of(text: str) -> int:
    """The bytes that a limit `text` means; UsageError for what is no limit, MountError where none can be had."""
    size = check_size(parse_size(text))
    if os.geteuid() != 0:
        raise MountError(
            "max-size: as root only: nothing that an ordinary user may mount keeps to a limit; a quota of the file "
            "system that the state directory lies on (state_dir) does"
        )
    return size


def check_size(size: int) -> int:
    """`size` if a volume may have it; UsageError."""
    if not SIZE_MIN <= size <= SIZE_MAX:
        least, most = format_size(SIZE_MIN), format_size(SIZE_MAX)
        raise UsageError(f"max-size {format_size(size)}: from {least} to {most}")
    return size


def _found(program: str, package: str) -> str:
    path = shutil.which(program) or shutil.which(program, path=_PLACES)
    if path is None:
        raise MountError(f"{program}: not found; a volume of limited size needs it (package {package})")
    return path


def _run(words: Sequence[str], failed: str) -> None:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False, env=environment
        )
    except OSError as error:
        raise MountError(f"{failed}: {words[0]}: {cause_of(error)}") from error
    except subprocess.TimeoutExpired as error:
        raise MountError(f"{failed}: {words[0]}: no end after {_PATIENCE:g} s") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2].strip()
        raise MountError(f"{failed}: {said or f'{words[0]} ended with status {done.returncode}'}")
