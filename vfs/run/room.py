"""Room of a limited size for what a run writes: a volume that is mounted in the namespace of the run and nowhere else.

The kernel takes mount and loop device away with the last process in that namespace and the last descriptor of ours,
however these end. What was written is in the image, and stays there.
"""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import suppress
from pathlib import Path

from vfs.files.translate import local_error
from vfs.workspace.volume import Volume

OUTPUT_MODE = 0o755
_OUTPUT = "out"
# <linux/fs.h>: FITRIM, with a struct fstrim_range of start, length, shortest extent.
_FITRIM, _EVERYTHING = 0xC0185879, struct.pack("=QQQ", 0, 2**64 - 1, 0)


class Room:
    """The room in one directory. Where it is mounted `out` is the output; from `reach` to `leave` `written` is, for us.

    Invariant: `written` shows what the namespace has there, also when that is gone.
    """

    def __init__(self, directory: Path) -> None:
        self._volume = Volume(directory)
        self.directory = directory
        self.image = self._volume.image
        self.out = self._volume.point / _OUTPUT
        self._fd = -1

    def make(self, size: int) -> None:
        """Make it, of `size` bytes, which are taken from the disk now: LocalFull, MountError, UsageError."""
        self._volume.make(size)

    def mount(self) -> None:
        """Have it in the mount namespace of this process, with an empty output: MountError, OSError."""
        self._volume.mount_here()
        os.mkdir(self.out)
        os.chmod(self.out, OUTPUT_MODE)

    def reach(self, pid: int) -> None:
        """Have what the process `pid` mounted; LocalIOError."""
        try:
            where = f"/proc/{pid}/root{self._volume.point}"
            self._fd = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise local_error(self.image, "reached", error) from error

    @property
    def written(self) -> Path | None:
        """The directory with what was written; None where it was never reached, and nothing was."""
        return Path(f"/proc/self/fd/{self._fd}/{_OUTPUT}") if self._fd >= 0 else None

    def leave(self) -> None:
        """No longer needed by us."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def give_back(self) -> None:
        """Give what is free in the image back to the disk, where the disk can take it: nobody writes to it any more."""
        if self._fd >= 0:
            with suppress(OSError):
                # What was removed is free once the journal of the file system says so.
                os.fsync(self._fd)
                fcntl.ioctl(self._fd, _FITRIM, _EVERYTHING)
