"""Hosts that share a store: each with state, cache and home of its own, and the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vfs.config.settings import Settings, load
from vfs.repo.library import Library

# Seconds of patience that these tests give an operation of the store, unless they say otherwise.
TIMEOUT = 6.0
# A last attempt may take a quarter more, the request 2 s; and the machine may be busy.
AT_MOST = TIMEOUT * 1.25 + 2 + 3
COMMAND = [sys.executable, "-c", "from vfs.cli.main import main; main()"]


@dataclass
class Host:
    """One machine: what it keeps lies below `directory`, what it shares is the store alone."""

    directory: Path
    variables: dict[str, str]
    points: list[Path] = field(default_factory=list)

    @property
    def cache(self) -> Path:
        return self.directory / "cache"

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @property
    def environment(self) -> dict[str, str]:
        own = {"HOME": self.directory, "VFS_STATE_DIR": self.state, "VFS_CACHE_DIR": self.cache}
        return {**os.environ, **{name: str(path) for name, path in own.items()}, **self.variables}

    def start(self, *words: str | Path) -> subprocess.Popen[bytes]:
        """Begin a `vfs` command; `finish` waits for it."""
        return subprocess.Popen(
            [*COMMAND, *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            cwd=self.directory,
        )

    def __call__(self, *words: str | Path, ok: bool = True, timeout: float = 90) -> subprocess.CompletedProcess[bytes]:
        """Run a `vfs` command."""
        done = finish(self.start(*words), timeout=timeout)
        if ok:
            assert done.returncode == 0, f"vfs {words} exited {done.returncode}: {done.stderr.decode()}"
        return done

    def mount(self, *words: str | Path) -> Path:
        """Mount, and give the mount point."""
        point = self.directory / f"mnt{len(self.points)}"
        point.mkdir()
        self.points.append(point)
        self("mount", *words, point)
        return point

    @property
    def settings(self) -> Settings:
        """As its commands have them."""
        return load({}, self.environment, system_config=os.devnull).settings

    def library(self) -> Library:
        """Its library, in this process."""
        return Library.open(self.settings)

    def umount_all(self) -> None:
        for point in self.points:
            if point.is_mount():
                subprocess.run(["fusermount3", "-u", "-z", str(point)], timeout=10, check=False)


MakeHost = Callable[..., Host]


def finish(process: subprocess.Popen[bytes], *, timeout: float = 90) -> subprocess.CompletedProcess[bytes]:
    """What a command said and returned; the test fails on a traceback, and ends the command when it takes too long."""
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    if "--debug" not in process.args:
        assert b"Traceback (most recent call last)" not in err, err.decode(errors="replace")
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def wait_until(true: Callable[[], bool], seconds: float) -> None:
    """Return once `true()`; fail after so many seconds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"still not so after {seconds:g} s"
        time.sleep(0.1)


class Reading(threading.Thread):
    """One program that reads one file whole: what it got, how long it waited."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path = path
        self.data, self.errno, self.seconds = b"", 0, 0.0
        self.start()

    def run(self) -> None:
        started = time.monotonic()
        try:
            self.data = self.path.read_bytes()
        except OSError as error:
            self.errno = error.errno or -1
        self.seconds = time.monotonic() - started

    def ended(self, seconds: float) -> Reading:
        self.join(seconds)
        assert not self.is_alive(), f"{self.path}: still being read after {seconds:g} s"
        return self


def troubles(host: Host, point: Path) -> str:
    said = json.loads(host("status", point, "--json").stdout)["mount"]["daemon"]
    return " ".join(found["what"] for found in said["troubles"])
