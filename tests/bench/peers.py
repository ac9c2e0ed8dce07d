"""Other file systems that show stored data, each as its makers would have it used for reading."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from bench.stopped import finish, run
from bench.systems import System


class Peer(System):
    """A peer that is installed by `make bench-peers`; its daemon stays in the foreground as a child."""

    programs: tuple[str, ...] = ()

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self._daemon: subprocess.Popen[bytes] | None = None

    def absent(self) -> str | None:
        """Not installed, or None."""
        missing = [name for name in self.programs if shutil.which(name) is None]
        return f"{', '.join(missing)}: not installed (make bench-peers)" if missing else None

    @property
    def environment(self) -> dict[str, str]:
        """Home, caches and keys below the working directory."""
        return {**os.environ, "HOME": str(self.place), "RESTIC_PASSWORD": "bench", "BORG_BASE_DIR": str(self.place)}

    def serve(self, words: list[str]) -> None:
        """Start the daemon and wait for its mount."""
        with open(self.place / "daemon.log", "ab") as log:
            self._daemon = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment
            )
        self.wait()

    def unmount(self) -> None:
        """Unmount, then end the daemon if it is still there."""
        super().unmount()
        if self._daemon is not None:
            finish(self._daemon)
            self._daemon = None

    def once(self, dataset: str, *commands: list[str], cwd: Path | None = None) -> None:
        """Run the commands that store a data set, unless they were run before."""
        if not self.done(dataset).exists():
            self.place.mkdir(parents=True, exist_ok=True)
            for words in commands:
                run(words, env=self.environment, cwd=cwd)
            self.done(dataset).touch()


class Rclone(Peer):
    """`rclone mount` of the local directory; names and attributes kept for an hour."""

    name = "rclone"
    programs = ("rclone",)

    def mount(self, dataset: str, source: Path) -> Path:
        """Read-only, without a VFS cache: the data is local."""
        point = self.fresh_point()
        kept = ["--dir-cache-time", "1h", "--attr-timeout", "1h", "--poll-interval", "0"]
        self.serve(["rclone", "mount", f":local:{source}", str(point), "--read-only", *kept])
        return point


class Restic(Peer):
    """`restic mount` of a repository on the same disk."""

    name = "restic"
    programs = ("restic",)

    def prepare(self, dataset: str, source: Path) -> None:
        """One repository for each data set."""
        words = ["restic", "--quiet", "-r", str(self.place / dataset)]
        self.once(dataset, [*words, "init"], [*words, "backup", str(source)])

    def mount(self, dataset: str, source: Path) -> Path:
        """The newest state of the data set."""
        point = self.fresh_point()
        self.serve(["restic", "--quiet", "-r", str(self.place / dataset), "mount", str(point)])
        return point / "snapshots" / "latest" / source.relative_to("/")

    def forget(self) -> None:
        """Its cache of the index and of the trees."""
        shutil.rmtree(self.place / ".cache", ignore_errors=True)


class Borg(Peer):
    """`borg mount` of an archive without encryption on the same disk."""

    name = "borg"
    programs = ("borg",)

    @property
    def environment(self) -> dict[str, str]:
        """A repository without encryption is not asked about."""
        return {**super().environment, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}

    def prepare(self, dataset: str, source: Path) -> None:
        """One repository with one archive for each data set."""
        repository = str(self.place / dataset)
        self.once(
            dataset, ["borg", "init", "-e", "none", repository], ["borg", "create", f"{repository}::a", "."], cwd=source
        )

    def mount(self, dataset: str, source: Path) -> Path:
        """The archive."""
        point = self.fresh_point()
        self.serve(["borg", "mount", "-f", f"{self.place / dataset}::a", str(point)])
        return point

    def forget(self) -> None:
        """Its cache of chunks."""
        shutil.rmtree(self.place / ".cache", ignore_errors=True)


class Squashfuse(Peer):
    """`squashfuse` over an image compressed with zstd."""

    name = "squashfuse"
    programs = ("squashfuse", "mksquashfs")

    def prepare(self, dataset: str, source: Path) -> None:
        """One image for each data set."""
        image = str(self.place / f"{dataset}.sqfs")
        self.once(dataset, ["mksquashfs", str(source), image, "-quiet", "-no-progress", "-comp", "zstd"])

    def mount(self, dataset: str, source: Path) -> Path:
        """The image."""
        point = self.fresh_point()
        self.serve(["squashfuse", "-f", str(self.place / f"{dataset}.sqfs"), str(point)])
        return point


class FuseOverlayfs(Peer):
    """`fuse-overlayfs` with the source as its lower layer: a FUSE file system that passes reads through."""

    name = "fuse-overlayfs"
    programs = ("fuse-overlayfs",)

    def mount(self, dataset: str, source: Path) -> Path:
        """Read-only: a lower layer alone."""
        point = self.fresh_point()
        self.serve(["fuse-overlayfs", "-f", "-o", f"lowerdir={source}", str(point)])
        return point


PEERS: tuple[type[Peer], ...] = (Squashfuse, FuseOverlayfs, Rclone, Restic, Borg)
