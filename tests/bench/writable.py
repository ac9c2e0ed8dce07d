"""The writable part: creating, unpacking and writing on a writable mount, and what a commit and a status of it take."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.machine import drop_caches
from bench.measure import Bench
from bench.million import make_million, name_of
from bench.peers import Borg, FuseOverlayfs, Restic
from bench.results import Bar, Row
from bench.stopped import BenchError, is_mount, run, unmount
from bench.systems import Vfs

CELLS = ("create", "untar", "large", "commit", "status-million", "commit-million")
_CHANGED = 10
_SIZE = 4096
_LIMIT = 600.0


class Writable:
    """Cells by name. Each repeat begins with an empty layer, and with nothing left to be written back by the disk."""

    def __init__(self, bench: Bench, place: Path, writer: str, *, say: Callable[[str], None], peers: bool) -> None:
        self.bench, self.writer, self._say = bench, writer, say
        self.place = place / "writable"
        self.vfs = Vfs(place, label="own")
        self.vfs.options = ["--rw"]
        self._peers = peers

    def stop(self) -> None:
        """Unmount."""
        self._drop()
        unmount(self._overlay)

    def rows(self, wanted: Callable[[str], bool]) -> Iterator[Row]:
        """Measure the cells that are wanted."""
        for name in CELLS:
            if wanted(f"writable/{name}"):
                self._say(f"writable/{name}")
                try:
                    yield getattr(self, "_" + name.replace("-", "_"))()
                except BenchError as error:
                    yield Row("writable", name, name, "", None, note=str(error))
                finally:
                    self.stop()
                    shutil.rmtree(self.place, ignore_errors=True)

    @property
    def _overlay(self) -> Path:
        return self.place / "overlay"

    def _create(self) -> Row:
        count = str(self.bench.data.scale.small)
        title = f"create {self.bench.data.scale.small:,} files of 4 KiB"
        words = [self.writer, "create", "{}", count, str(_SIZE)]
        return self._against_ext4("create", title, words, Bar(1.5), overlay=True)

    def _untar(self) -> Row:
        title = f"unpack a tar of {2 * self.bench.data.scale.small:,} files"
        source, archive = self._fresh("tree"), self.place / "tree.tar"
        run([self.writer, "create", str(source), str(2 * self.bench.data.scale.small), str(_SIZE)])
        run(["tar", "-C", str(source), "-cf", str(archive), "."])
        shutil.rmtree(source)
        return self._against_ext4("untar", title, ["tar", "-C", "{}", "-xf", str(archive)], Bar(1.5), overlay=True)

    def _large(self) -> Row:
        words = [self.writer, "large", "{}/large.bin", str(self.bench.data.scale.middle >> 20)]
        title = f"write {self.bench.data.scale.middle >> 20:,} MiB, then fsync"
        return self._against_ext4("large", title, words, Bar(1.1), overlay=False)

    def _against_ext4(self, name: str, title: str, words: list[str], bar: Bar, *, overlay: bool) -> Row:
        """A program on a plain directory, on a writable mount and on fuse-overlayfs, in turn."""
        places: dict[str, Callable[[], Path]] = {"ext4": lambda: self._fresh("plain"), "vfs": self._mounted}
        absent = {}
        if overlay and self._peers:
            reason = FuseOverlayfs(self.place).absent()
            if reason:
                absent["fuse-overlayfs"] = reason
            else:
                places["fuse-overlayfs"] = self._mounted_overlay
        taken: dict[str, list[float]] = {system: [] for system in places}
        for turn in range(self.bench.data.scale.repeats + 1):
            for system, place in places.items():
                seconds = self._timed(words, place())
                # A virtual disk gives out blocks that were never written several times slower: one turn for nothing.
                taken[system] += [seconds] if turn else []
                self.stop()
        base, mine = (statistics.median(taken[system]) for system in ("ext4", "vfs"))
        peers = {each: statistics.median(taken[each]) / base for each in taken if each not in ("ext4", "vfs")}
        note = f"ext4 {base:.2f} s, vfs {mine:.2f} s"
        if peers:
            note += f"; {'faster' if mine < peers['fuse-overlayfs'] * base else 'SLOWER'} than fuse-overlayfs"
        return Row(
            "writable", name, title, "ext4", mine / base,
            bar=bar, repeats=len(taken["vfs"]), note=note, peers=peers, absent=absent, raw=taken,
        )  # fmt: skip

    def _timed(self, words: list[str], root: Path) -> float:
        run(["sync"])
        start = time.monotonic()
        done = run([word.replace("{}", str(root)) for word in words], timeout=_LIMIT)
        took = time.monotonic() - start
        return json.loads(done.stdout)["ns"] / 1e9 if done.stdout else took

    def _fresh(self, name: str) -> Path:
        place = self.place / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        return place

    def _mounted(self) -> Path:
        """A writable mount of a small tree; its layer is empty."""
        self.vfs.prepare("small", self.bench.data.path("small"))
        return self.vfs.mount("small", Path()) / self._made_in(self.vfs.point)

    def _mounted_overlay(self) -> Path:
        parts = {part: self._fresh(f"overlay-{part}") for part in ("upper", "work")}
        self._overlay.mkdir(exist_ok=True)
        options = f"lowerdir={self.bench.data.path('small')},upperdir={parts['upper']},workdir={parts['work']}"
        run(["fuse-overlayfs", "-o", options, str(self._overlay)])
        return self._overlay / self._made_in(self._overlay)

    def _made_in(self, root: Path) -> str:
        (root / "made").mkdir()
        return "made"

    def _drop(self) -> None:
        """Unmount, and throw the layer away."""
        if is_mount(self.vfs.point):
            self.vfs.unmount()
            self.vfs.command("discard", str(self.vfs.point))

    def _commit(self) -> Row:
        """The same tree by each: the faster of the two peers is the yardstick."""
        scale = self.bench.data.scale
        tree = self._fresh("tree")
        run([self.writer, "create", str(tree), str(scale.small), str(_SIZE)])
        shutil.copy(self.bench.data.path("middle") / "middle.bin", tree)
        ways: dict[str, Callable[[Path], float]] = {"vfs": self._vfs_commit}
        absent = {}
        for peer in (Restic, Borg):
            reason = peer(self.place).absent()
            if reason or not self._peers:
                absent[peer.name] = reason or "left out"
            else:
                ways[peer.name] = self._backup(peer(self.place))
        taken: dict[str, list[float]] = {system: [] for system in ways}
        for _ in range(scale.repeats):
            for system, way in ways.items():
                taken[system].append(way(tree))
        medians = {system: statistics.median(values) for system, values in taken.items()}
        title = (
            f"commit of {scale.small:,} new small files and {scale.middle >> 20:,} MiB ÷ the faster of restic and borg"
        )
        others = [value for system, value in medians.items() if system != "vfs"]
        note = ", ".join(f"{system} {value:.2f} s" for system, value in medians.items())
        figure = medians["vfs"] / min(others) if others else None
        return Row(
            "writable", "commit", title, "restic, borg", figure,
            bar=Bar(1.0), repeats=len(taken["vfs"]), note=note, absent=absent, raw=taken,
        )  # fmt: skip

    def _vfs_commit(self, tree: Path) -> float:
        """Of a writable mount into which the tree was copied, to a store that does not know it."""
        fresh = Vfs(self.place, label="fresh")
        shutil.rmtree(fresh.place, ignore_errors=True)
        fresh.options = ["--rw"]
        try:
            fresh.create("data")
            empty = self._fresh("empty")
            (empty / "first").write_text("first\n")
            fresh.command("put", "data", f"{empty}/")
            root = fresh.mount("data", Path())
            run(["cp", "-a", f"{tree}/.", str(root)])
            run(["sync"])
            return _took(lambda: fresh.command("commit", str(root), "-m", "all of it"))
        finally:
            fresh.unmount()
            shutil.rmtree(fresh.place, ignore_errors=True)

    def _backup(self, peer: Restic | Borg) -> Callable[[Path], float]:
        def way(tree: Path) -> float:
            shutil.rmtree(peer.place, ignore_errors=True)
            peer.place.mkdir(parents=True)
            repository, environment = str(peer.place / "repository"), peer.environment
            if peer.name == "restic":
                first = ["restic", "--quiet", "-r", repository, "init"]
                words = ["restic", "--quiet", "-r", repository, "backup", "."]
            else:
                first = ["borg", "init", "-e", "none", repository]
                words = ["borg", "create", f"{repository}::a", "."]
            run(first, env=environment)
            run(["sync"])
            try:
                return _took(lambda: run(words, env=environment, cwd=tree, timeout=_LIMIT))
            finally:
                shutil.rmtree(peer.place, ignore_errors=True)

        return way

    def _status_million(self) -> Row:
        root = self._million()
        title = f"status after {_CHANGED} changes among 1,000,000 files"
        return self._soon("status-million", title, Bar(0.5, unit="s"), lambda: self.vfs.command("status", str(root)))

    def _commit_million(self) -> Row:
        root = self._million()
        taken = []
        for turn in range(self.bench.data.scale.repeats):
            self._change(root, turn)
            taken.append(_took(lambda: self.vfs.command("commit", str(root), "-m", "ten")))
        title = f"commit after {_CHANGED} changes among 1,000,000 files"
        return Row(
            "writable", "commit-million", title, "", statistics.median(taken),
            unit="s", bar=Bar(2.0, unit="s"), repeats=len(taken), raw={"vfs": taken},
        )  # fmt: skip

    def _million(self) -> Path:
        if not self.vfs.done("million").exists():
            self.vfs.create("million")
            make_million(self.vfs.environment, "million", self.bench.data.scale.million)
            self.vfs.done("million").touch()
        root = self.vfs.mount("million", Path())
        drop_caches()
        self._change(root, 0)
        return root

    def _change(self, root: Path, turn: int) -> None:
        """Ten files in as many directories get another content."""
        step = self.bench.data.scale.million // _CHANGED
        for number in range(turn, self.bench.data.scale.million, step):
            (root / name_of(number).decode()).write_text(f"changed in turn {turn}\n")

    def _soon(self, name: str, title: str, bar: Bar, work: Callable[[], object]) -> Row:
        taken = [_took(work) for _ in range(self.bench.data.scale.repeats)]
        return Row(
            "writable", name, title, "", statistics.median(taken),
            unit="s", bar=bar, repeats=len(taken), raw={"vfs": taken},
        )  # fmt: skip


def _took(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start
