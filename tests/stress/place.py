"""Where a suite runs: a plain directory of the local file system, a writable mount, fresh mounts of its commits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]


class Place:
    """Below one directory of a test. Invariant: whatever was mounted is in `_mounts` until it is unmounted."""

    def __init__(self, directory: Path, vfs: Vfs) -> None:
        self.directory = directory
        self.plain = directory / "plain"
        self.mount = directory / "mount"
        self._vfs = vfs
        self._mounts: list[Path] = []

    def begin(self, fill: Callable[[Path], object]) -> None:
        """Commit what `fill` makes, mount it for writing, and have the same in the plain directory."""
        self.plain.mkdir()
        fill(self.plain)
        self._vfs("init")
        self._vfs("repo", "create", "data")
        self._vfs("put", "data", f"{self.plain}/")
        self.mount.mkdir()
        self.mount_again()

    def mount_again(self) -> None:
        self._vfs("mount", "--rw", "data", self.mount)
        self._mounts.append(self.mount)

    def fresh(self) -> Path:
        """Commit the mount; a new read-only mount of the commit, which has nothing cached."""
        self._vfs("commit", self.mount, "-m", "stressed")
        point = self.directory / f"fresh{len(self._mounts)}"
        point.mkdir()
        self._vfs("mount", "data", point)
        self._mounts.append(point)
        return point

    def kill_daemon(self) -> None:
        """End the daemon of the writable mount as a crash does."""
        (spec,) = [path for path in (self.directory / "state/mounts").iterdir() if not path.name.startswith(".")]
        os.kill(int(json.loads((spec / "daemon.json").read_text())["pid"]), 9)

    def close(self) -> None:
        """Unmount everything; what will not be unmounted fails the test."""
        stuck = []
        for point in reversed(self._mounts):
            if os.path.ismount(point):
                done = self._vfs("umount", point, ok=False, timeout=40)
                stuck += [f"{point}: {done.stderr.decode()}"] if done.returncode else []
        assert not stuck, "\n".join(stuck)
        shutil.rmtree(self.plain, ignore_errors=True)
