"""One writable layer on disk: what it pins, who writes it, who uses it, how it is dropped.

In its directory: `base.json` (the commit below, never changed), `tip.json` (the commit last made from it, if
any), `flavour` (who writes `upper`), `upper` and `work` (given to overlayfs), `index` (digests of files that a
commit read), `mount.lock` (held while it is mounted), `work.lock` (held while it is committed). A layer appears
by one rename and goes by one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from vfs.errors import Busy, StoreFormat
from vfs.files.atomic import fsync_dir, write_atomic
from vfs.files.lock import FileLock
from vfs.files.translate import local_error
from vfs.workspace.marks import Flavour
from vfs.workspace.pins import Tip, read_base, read_tip, write_pin
from vfs.workspace.removal import remove_tree

TRASH = ".trash-"
_MOUNT_TABLE = "/proc/self/mountinfo"
_OCTAL = re.compile(rb"\\([0-7]{3})")
# Commits of one layer wait for one another; a large one may take its time.
_COMMIT_SECONDS = 600.0


class Layer:
    """One writable layer. `base` never changes; everything else is read from disk each time it is asked for."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        """Open the layer in `directory`: NotFound, Corrupt, or StoreFormat for one that a newer vfs made."""
        self.directory = Path(directory)
        self.id = self.directory.name
        self.upper = self.directory / "upper"
        self.work = self.directory / "work"
        self.index = self.directory / "index"
        self.base = read_base(self.directory / "base.json")

    def tip(self) -> Tip | None:
        """The commit last made from this layer."""
        return read_tip(self.directory / "tip.json")

    def set_tip(self, tip: Tip) -> None:
        """Record, durably, which commit holds what was written to the layer."""
        write_pin(self.directory / "tip.json", tip)

    def flavour(self) -> Flavour | None:
        """Who writes the upper directory; None while the layer was never mounted."""
        path = self.directory / "flavour"
        try:
            text = path.read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise local_error(path, "read", error) from error
        try:
            return Flavour(text)
        except ValueError as error:
            raise StoreFormat(f"{path}: written by '{text[:40]}', which this vfs does not know") from error

    def set_flavour(self, flavour: Flavour) -> None:
        """Record, durably, who is going to write the upper directory."""
        write_atomic(self.directory / "flavour", f"{flavour.value}\n".encode())

    def is_untouched(self) -> bool:
        """True while the upper directory is empty."""
        try:
            with os.scandir(self.upper) as entries:
                return next(entries, None) is None
        except OSError as error:
            raise local_error(self.upper, "listed", error) from error

    def mount_lock(self) -> FileLock:
        """Held for as long as the layer is mounted."""
        return FileLock(self.directory / "mount.lock", timeout=0)

    def work_lock(self) -> FileLock:
        """Held by whoever commits the layer."""
        return FileLock(self.directory / "work.lock", timeout=_COMMIT_SECONDS)

    def is_mounted(self) -> bool:
        """True while a daemon mounts the layer, or the kernel still has the overlay of one that died."""
        lock = self.mount_lock()
        if not lock.try_lock():
            return True
        lock.release()
        return in_mount_table(self.upper)

    def discard(self) -> None:
        """Drop the layer and all that was written to it. Busy while it is mounted or being committed."""
        mounted, working = self.mount_lock(), self.work_lock()
        try:
            if not mounted.try_lock() or in_mount_table(self.upper):
                point = self.base.mountpoint
                raise Busy(f"layer of {point}: is mounted; unmount it first with vfs umount {point}")
            if not working.try_lock():
                raise Busy(f"layer of {self.base.mountpoint}: is being committed; try again when that has ended")
            self._drop()
        finally:
            working.release()
            mounted.release()

    def _drop(self) -> None:
        parent = self.directory.parent
        trash = parent / f"{TRASH}{self.id}"
        try:
            os.rename(self.directory, trash)
        except OSError as error:
            raise local_error(self.directory, "discarded", error) from error
        fsync_dir(parent)
        remove_tree(trash)


def in_mount_table(upper: Path) -> bool:
    """True when the kernel has an overlay that writes to `upper` in this mount namespace."""
    # Some kernels show the option as it was given, others what it means.
    wanted = {b"upperdir=" + os.fsencode(upper), b"upperdir=" + os.fsencode(escaped(os.fspath(upper)))}
    try:
        with open(_MOUNT_TABLE, "rb") as file:
            options = [line.rpartition(b" ")[2] for line in file.read().splitlines() if b" - overlay " in line]
    except OSError as error:
        raise local_error(_MOUNT_TABLE, "read", error) from error
    return any(_plain(option) in wanted for line in options for option in line.split(b","))


def escaped(path: str) -> str:
    """`path` as an option of overlayfs, which splits its options at commas."""
    return path.replace("\\", "\\\\").replace(",", "\\,")


def _plain(option: bytes) -> bytes:
    return _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), option)
