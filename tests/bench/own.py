"""Cells that vfs alone has: how soon a mount answers, what lineage costs, how much memory a walk takes."""

from __future__ import annotations

import contextlib
import re
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.machine import drop_caches
from bench.measure import Bench, first_byte
from bench.million import make_million, name_of
from bench.results import Bar, Row
from bench.stopped import BenchError
from bench.systems import Vfs

CELLS = ("mount-100k", "mount-million", "memory-million", "lineage")


class Own:
    """Cells by name, on a store of their own."""

    def __init__(self, bench: Bench, place: Path, *, say: Callable[[str], None]) -> None:
        self.bench, self._say = bench, say
        self.vfs = Vfs(place, label="own")

    def stop(self) -> None:
        """Unmount."""
        self.vfs.unmount()

    def rows(self, wanted: Callable[[str], bool]) -> Iterator[Row]:
        """Measure the cells that are wanted."""
        for name in CELLS:
            if wanted(f"own/{name}"):
                self._say(f"own/{name}")
                try:
                    yield getattr(self, "_" + name.replace("-", "_"))()
                except BenchError as error:
                    yield self._row(name, name, None, note=str(error))
                finally:
                    self.vfs.unmount()

    def _row(self, name: str, title: str, figure: float | None, **more: Any) -> Row:
        return Row(part="own", name=name, title=title, figure=figure, **{"yardstick": "", "repeats": 1, **more})

    def _mount_100k(self) -> Row:
        self.vfs.prepare("many", self.bench.data.path("many"))
        name = self.bench.data.names("many", "shuffled").read_text().split()[0]
        return self._soon("mount-100k", "mount of 100,000 files to first byte", "many", name)

    def _mount_million(self) -> Row:
        self._million()
        name = name_of(self.bench.data.scale.million // 3).decode()
        return self._soon(
            "mount-million", "mount of 1,000,000 files to first byte", "million", name, bar=Bar(1, unit="s")
        )

    def _million(self) -> None:
        if not self.vfs.done("million").exists():
            self.vfs.create("million")
            make_million(self.vfs.environment, "million", self.bench.data.scale.million)
            self.vfs.done("million").touch()

    def _soon(self, name: str, title: str, repo: str, path: str, *, bar: Bar | None = None) -> Row:
        taken = []
        for _ in range(self.bench.data.scale.repeats):
            point = self.vfs.fresh_point()
            shutil.rmtree(self.vfs.cache, ignore_errors=True)
            drop_caches()
            # The programs of vfs are read from the disk once: what is measured is the mount, not the interpreter.
            self.vfs.command("--version")
            try:
                taken.append(first_byte(self.vfs.words("mount", repo, str(point)), point / path, self.vfs.environment))
            finally:
                self.vfs.unmount()
        return self._row(
            name, title, statistics.median(taken), unit="s", bar=bar, repeats=len(taken), raw={"vfs": taken}
        )

    def _memory_million(self) -> Row:
        self._million()
        root = self.vfs.mount("million", Path())
        daemon = self.vfs.daemon()
        peak, ends = [0.0], [resident(daemon)]
        over = threading.Event()
        watch = threading.Thread(target=_watch, args=(daemon, over, peak))
        watch.start()
        try:
            took = 0.0
            for _ in range(2):
                took = self.bench.read([self.bench.reader, "walk", str(root)], "inside")
                drop_caches()
                ends.append(resident(daemon))
        finally:
            over.set()
            watch.join()
        grown = f"{ends[0]:.0f} MB before, {ends[1]:.0f} after one walk, {ends[2]:.0f} after two"
        note = f"{grown}; the second took {took:.1f} s"
        title = "daemon memory, 1,000,000 files walked and stat-ed"
        return self._row("memory-million", title, peak[0], unit="MB", bar=Bar(300, unit="MB"), note=note)

    def _lineage(self) -> Row:
        if b"--lineage" not in self.vfs.command("mount", "--help"):
            return self._row("lineage", "lineage on ÷ off, warm small files", None, note="vfs mount has no --lineage")
        self.vfs.prepare("many", self.bench.data.path("many"))
        listing = str(self.bench.data.names("many", "name"))
        taken: dict[str, list[float]] = {"files": [], "off": []}
        for _ in range(self.bench.data.scale.repeats):
            for level, values in taken.items():
                values.append(self._warm(level, listing))
        figure = statistics.median(taken["files"]) / statistics.median(taken["off"])
        title = f"lineage on ÷ off, {self.bench.data.scale.many:,} files read, warm"
        return self._row("lineage", title, figure, bar=Bar(1.10), repeats=len(taken["off"]), raw=taken, unit="x")

    def _warm(self, level: str, listing: str) -> float:
        self.vfs.options = [f"--lineage={level}"]
        try:
            root = self.vfs.mount("many", Path())
            words = [self.bench.reader, "files", "1", listing, str(root)]
            self.bench.read(words, "inside")
            return self.bench.read(words, "inside")
        finally:
            self.vfs.options = []
            self.vfs.unmount()


def resident(process: int) -> float:
    """Resident memory of a process in MB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def _watch(process: int, over: threading.Event, peak: list[float]) -> None:
    with contextlib.suppress(OSError):
        while not over.is_set():
            peak[0] = max(peak[0], resident(process))
            time.sleep(0.05)
