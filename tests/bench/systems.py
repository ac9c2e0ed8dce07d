"""What a file system has to do to be measured, and the two that every figure is about: ext4 and vfs."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

from bench.stopped import BenchError, is_mount, run, unmount

MOUNT_LIMIT = 60.0


class System:
    """One file system over the data sets. `prepare` may take long and is not timed; caches are `forget`-able."""

    name = ""

    def __init__(self, place: Path) -> None:
        self.place = place / self.name
        self.point = self.place / "mnt"

    def absent(self) -> str | None:
        """Why it cannot run on this machine, or None."""
        return None

    def prepare(self, dataset: str, source: Path) -> None:
        """Put a data set into the file system, once."""

    def mount(self, dataset: str, source: Path) -> Path:
        """Make a data set readable; returns the directory that holds it."""
        raise BenchError(f"{self.name}: has no mount")

    def unmount(self) -> None:
        """Undo `mount`; harmless when nothing is mounted."""
        unmount(self.point)

    def forget(self) -> None:
        """Wipe the caches that it keeps on disk."""

    def fresh_point(self) -> Path:
        """The empty directory to mount on."""
        self.unmount()
        self.point.mkdir(parents=True, exist_ok=True)
        return self.point

    def done(self, dataset: str) -> Path:
        """The file whose being there says that `dataset` is prepared."""
        return self.place / f"{dataset}.prepared"

    def wait(self) -> None:
        """Until the kernel has the mount."""
        end = time.monotonic() + MOUNT_LIMIT
        while not is_mount(self.point):
            if time.monotonic() > end:
                raise BenchError(f"{self.name}: no mount within {MOUNT_LIMIT:g} s")
            time.sleep(0.005)


class Ext4(System):
    """The source itself: what every other figure is divided by."""

    name = "local"

    def mount(self, dataset: str, source: Path) -> Path:
        """Nothing to mount."""
        return source


class Vfs(System):
    """This project, by its command, with store, state and cache of its own."""

    name = "vfs"

    def __init__(
        self, place: Path, *, label: str = "vfs", store: str = "", extra: dict[str, str] | None = None
    ) -> None:
        super().__init__(place)
        self.place = place / label
        self.point = self.place / "mnt"
        self.state, self.cache = self.place / "state", self.place / "cache"
        self.store = store or f"file://{self.place}/store"
        self._extra = extra or {}
        self.options: list[str] = []
        self._made = False

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the user who runs the benchmark."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("VFS_", "AWS_"))}
        own = {"VFS_STORE": self.store, "VFS_STATE_DIR": str(self.state), "VFS_CACHE_DIR": str(self.cache)}
        return {**kept, "HOME": str(self.place), "VFS_AUTHOR": "bench@example.org", **own, **self._extra}

    def words(self, *words: str) -> list[str]:
        """The command of the Python that runs this."""
        return [str(Path(sys.executable).with_name("vfs")), *words]

    def command(self, *words: str, timeout: float = 1800) -> bytes:
        """Run `vfs`; what it printed."""
        self.place.mkdir(parents=True, exist_ok=True)
        return run(self.words(*words), env=self.environment, cwd=self.place, timeout=timeout).stdout

    def prepare(self, dataset: str, source: Path) -> None:
        """Commit the data set into a repo of its name."""
        if not self.done(dataset).exists():
            self.create(dataset)
            self.command("put", dataset, f"{source}/", "-m", "benchmark")
            self.done(dataset).touch()

    def create(self, repo: str) -> None:
        """An empty repo, in a store that is made when it is not there."""
        if not self._made:
            self.command("init")
            self._made = True
        known = {each["name"] for each in json.loads(self.command("repo", "list", "--json"))}
        if repo not in known:
            self.command("repo", "create", repo)

    def mount(self, dataset: str, source: Path) -> Path:
        """Mount what the branch has now."""
        self.command("mount", *self.options, dataset, str(self.fresh_point()), timeout=MOUNT_LIMIT)
        return self.point

    def unmount(self) -> None:
        """By its own command, which waits for the daemon; by force if that fails."""
        if is_mount(self.point):
            try:
                self.command("umount", str(self.point), timeout=40)
            except BenchError:
                unmount(self.point)

    def forget(self) -> None:
        """The whole cache directory."""
        shutil.rmtree(self.cache, ignore_errors=True)

    def daemon(self) -> int:
        """Process id of the daemon of the mount."""
        for each in json.loads(self.command("mounts", "--json")):
            if each["mountpoint"] == str(self.point):
                return int(each["pid"])
        raise BenchError("vfs: no daemon serves the mount")
