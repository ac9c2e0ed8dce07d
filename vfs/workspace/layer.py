"""One writable layer on disk: what it pins, who writes it, who uses it, how it is dropped.

In its directory: `base.json` (the commit below, and where it is shown), `tip.json` (the commit last made from it, if
any), `flavour` (who writes `upper`), `upper` and `work` (given to overlayfs; in a volume where its size is limited),
`index` (digests of files that a commit read), `sessions` (those of the journal in which it was written), `mount.lock`
(held while it is mounted), `work.lock` (held while it is committed). A layer appears by one rename and goes by one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vfs.errors import Busy, StoreFormat
from vfs.files.atomic import fsync_dir, write_atomic
from vfs.files.lock import FileLock
from vfs.files.translate import local_error
from vfs.workspace.marks import Flavour
from vfs.workspace.pins import LayerBase, Tip, read_base, read_tip, write_pin
from vfs.workspace.removal import remove_tree
from vfs.workspace.volume import Volume

TRASH = ".trash-"
_MOUNT_TABLE = "/proc/self/mountinfo"
_OCTAL = re.compile(rb"\\([0-7]{3})")
# Commits of one layer wait for one another; a large one may take its time.
_COMMIT_SECONDS = 600.0


class Layer:
    """One writable layer. `base` is as it was when it was opened; everything else is read from disk each time.

    `upper` and `work` of one with a `volume` are there while the layer is `reachable` or mounted.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        """Open the layer in `directory`: NotFound, Corrupt, or StoreFormat for one that a newer vfs made."""
        self.directory = Path(directory)
        self.id = self.directory.name
        self.index = self.directory / "index"
        self.base = read_base(self.directory / "base.json")
        self.volume = Volume(self.directory) if self.base.max_size else None
        inside = self.volume.point if self.volume is not None else self.directory
        self.upper, self.work = inside / "upper", inside / "work"

    @property
    def name(self) -> str:
        """What people are told to type for it: its directory, or its id where it has none."""
        return self.id if self.base.shell else self.base.mountpoint

    @contextmanager
    def reachable(self) -> Iterator[None]:
        """While this context lasts `upper` can be looked into: a volume is mounted for it. MountError."""
        if self.volume is None:
            yield
            return
        # A volume of its own for each context: one object has one hold.
        with Volume(self.directory):
            yield

    def move_to(self, base: LayerBase) -> None:
        """Record, durably, another place where it is shown; the commit below stays."""
        write_pin(self.directory / "base.json", base)
        self.base = base

    def sessions(self) -> tuple[str, ...]:
        """The sessions of the journal in which it was written to, oldest first."""
        try:
            words = (self.directory / "sessions").read_text(encoding="ascii", errors="replace").split()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise local_error(self.directory / "sessions", "read", error) from error
        return tuple(dict.fromkeys(words))

    def add_session(self, session: str) -> None:
        """Record, durably, that it is about to be written to in `session`."""
        write_atomic(self.directory / "sessions", "\n".join([*self.sessions(), session, ""]).encode("ascii"))

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
            with self.reachable(), os.scandir(self.upper) as entries:
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
                first = f"unmount it first with vfs umount {point}"
                raise Busy(f"layer of {point}: is mounted; {'end what uses it' if self.base.shell else first}")
            if not working.try_lock():
                raise Busy(f"layer of {self.base.mountpoint}: is being committed; try again when that has ended")
            self._drop()
        finally:
            working.release()
            mounted.release()

    def _drop(self) -> None:
        if self.volume is not None:
            self.volume.release_unused()
            if os.path.ismount(self.volume.point):
                raise Busy(f"layer of {self.base.mountpoint}: is in use; try again when that has ended")
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
