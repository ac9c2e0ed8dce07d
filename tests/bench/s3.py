"""The S3 part: a fresh host reads from a real service behind a proxy that adds latency and counts."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.machine import drop_caches
from bench.measure import Bench
from bench.proxy import Counts
from bench.results import Bar, Row
from bench.s3_service import BUCKET, PIECE, Service, Services
from bench.s3fs import S3fs
from bench.stopped import BenchError
from bench.systems import Vfs

FAR = 20.0
THREADS = (4, 8, 16)
# A file by itself costs a round trip; so many of them tell what ten thousand take.
SAMPLED_GETS = 200
REPEATS = 3
CELLS = ("proxy", "seq-0", "seq-20", "first-byte", "random", "warm", "small", "second")


class S3:
    """Cells by name. A cell may use what an earlier one has put, never what it has cached."""

    def __init__(self, bench: Bench, place: Path, program: str, *, say: Callable[[str], None]) -> None:
        self.bench, self.data, self._say = bench, bench.data, say
        # Its files are the daemons' alone and of no use to a second run.
        shutil.rmtree(place / "s3", ignore_errors=True)
        self.place = place / "s3"
        self.services = Services(self.place, program)
        self._hosts: list[Vfs] = []
        self._put: set[str] = set()
        self._s3fs = S3fs(self.place)

    def stop(self) -> None:
        """Unmount all, end the services."""
        self._s3fs.unmount()
        for host in self._hosts:
            host.unmount()
        self.services.stop()

    def rows(self, wanted: Callable[[str], bool]) -> Iterator[Row]:
        """Measure the cells that are wanted."""
        for name in CELLS:
            if wanted(f"s3/{name}"):
                self._say(f"s3/{name}")
                try:
                    yield from getattr(self, "_" + name.replace("-", "_"))()
                except BenchError as error:
                    yield self._row(name, name, None, note=str(error))

    def _row(self, name: str, title: str, figure: float | None, **more: Any) -> Row:
        return Row(part="s3", name=name, title=title, figure=figure, **{"yardstick": "boto3", "repeats": 1, **more})

    def host(self, label: str, service: Service, *, direct: bool = False) -> Vfs:
        """A host with its own state and cache; `direct` past the proxy."""
        endpoint = service.gateway.endpoint if direct else service.proxy.endpoint
        host = Vfs(self.place, label=label, store=f"s3://{BUCKET}/store", extra=service.settings(endpoint))
        host.place.mkdir(parents=True, exist_ok=True)
        self._hosts.append(host)
        return host

    def fresh(self, service: Service) -> Vfs:
        """A host that has never seen the store."""
        shutil.rmtree(self.place / "reader", ignore_errors=True)
        return self.host("reader", service)

    def stored(self, dataset: str) -> Service:
        """The service that holds a data set as a commit."""
        service = self.services.get("large" if dataset == "large" else "other")
        if dataset not in self._put:
            self.host(f"writer-{dataset}", service, direct=True).prepare(dataset, self.data.path(dataset))
            self._put.add(dataset)
        return service

    def raw(self) -> Service:
        """The service that holds the large file as one object."""
        service = self.services.get("raw")
        if "raw" not in self._put:
            service.upload("large.bin", self.data.path("large") / "large.bin")
            self._put.add("raw")
        return service

    def _proxy(self) -> Iterator[Row]:
        service = self.raw()
        service.proxy.latency(0)
        direct = min(service.fetch(8, PIECE, "large.bin", direct=True) for _ in range(REPEATS))
        passed = min(service.fetch(8, PIECE, "large.bin") for _ in range(REPEATS))
        size = self.data.scale.large / 1e6
        note = f"{size / direct:.0f} MB/s direct, {size / passed:.0f} through"
        yield self._row(
            "proxy", "the proxy itself: GETs through it ÷ direct", direct / passed, repeats=REPEATS, note=note
        )

    def _seq_0(self) -> Iterator[Row]:
        yield from self._sequential(0.0)

    def _seq_20(self) -> Iterator[Row]:
        yield from self._sequential(FAR)

    def _sequential(self, latency: float) -> Iterator[Row]:
        raw, service = self.raw(), self.stored("large")
        plain, own = [], []
        for threads in THREADS:
            raw.proxy.latency(latency)
            plain.append(raw.fetch(threads, PIECE, "large.bin"))
        before = service.proxy.counts()
        for _ in range(REPEATS):
            own.append(self._cold_sequential(service, latency))
        fetched = service.proxy.counts() - before
        best, mine, size = min(plain), sorted(own)[len(own) // 2], self.data.scale.large
        peers, absent = self._s3fs.sequential(self.bench, raw, size, best)
        rates = f"boto3 {size / best / 1e6:.0f} MB/s, vfs {size / mine / 1e6:.0f} MB/s"
        note = f"{rates}, {fetched.gets // REPEATS} GETs a pass"
        yield self._row(
            f"seq-{latency:g}",
            f"2 GiB in sequence, cold, {latency:g} ms: rate ÷ best of {THREADS} boto3 threads",
            best / mine,
            bar=Bar(0.8, least=True),
            repeats=REPEATS,
            note=note,
            peers=peers,
            absent=absent,
            raw={"boto3": plain, "vfs": own},
        )

    def _cold_sequential(self, service: Service, latency: float) -> float:
        host = self.fresh(service)
        service.proxy.latency(0)
        root = host.mount("large", Path())
        try:
            drop_caches()
            service.proxy.latency(latency)
            return self.bench.read([self.bench.reader, "seq", "1", str(root / "large.bin")], "inside")
        finally:
            service.proxy.latency(0)
            host.unmount()

    def _first_byte(self) -> Iterator[Row]:
        service = self.stored("many")
        names = self.data.names("many", "shuffled").read_text().splitlines()
        host = self.fresh(service)
        service.proxy.latency(FAR)
        before, start = service.proxy.counts(), time.monotonic()
        try:
            root = host.mount("many", Path())
            mounted = service.proxy.counts() - before
            with open(root / names[0], "rb", buffering=0) as file:
                file.read(1)
            took = time.monotonic() - start
            spent = service.proxy.counts() - before
        finally:
            service.proxy.latency(0)
            host.unmount()
        title = "first byte in a commit of 100,000 files, 20 ms"
        note = f"{took:.2f} s from the mount command; {spent}; of these for the mount {mounted}"
        yield self._row("first-byte", f"{title}: round trips", spent.waves, unit="", bar=Bar(6, unit=""), note=note)
        mib = spent.down / 2**20
        yield self._row("first-bytes", f"{title}: fetched", mib, unit="MiB", bar=Bar(8, unit="MiB"))

    def _random(self) -> Iterator[Row]:
        service, reads = self.stored("middle"), 200
        host = self.fresh(service)
        root = host.mount("middle", Path())
        try:
            drop_caches()
            before = service.proxy.counts()
            words = [self.bench.reader, "random", str(root / "middle.bin"), "65536", str(reads), "5"]
            took = self.bench.read(words, "inside")
            spent = service.proxy.counts() - before
        finally:
            host.unmount()
        note = f"{took / reads * 1e3:.1f} ms a read; {spent}"
        figure = spent.down / (reads * 65536)
        yield self._row("random", "random 64 KiB of a cold 1 GiB: bytes fetched ÷ read", figure, bar=Bar(20), note=note)

    def _warm(self) -> Iterator[Row]:
        service = self.stored("small")
        host = self.fresh(service)
        listing = str(self.data.names("small", "name"))
        spent = [Counts(0, 0, 0, 0, 0)] * 2
        for number in range(2):
            root = host.mount("small", Path())
            try:
                drop_caches()
                before = service.proxy.counts()
                self.bench.read([self.bench.reader, "files", "1", listing, str(root)], "inside")
                spent[number] = service.proxy.counts() - before
            finally:
                host.unmount()
        title = "10,000 small files, remounted with a warm cache: requests"
        note = f"cold before: {spent[0]}"
        yield self._row("warm", title, spent[1].requests, unit="", bar=Bar(0, unit=""), note=note)

    def _small(self) -> Iterator[Row]:
        service = self.stored("small")
        listing = self.data.names("small", "name")
        names = listing.read_text().splitlines()
        for name in names[:SAMPLED_GETS]:
            service.upload(f"raw/{name}", self.data.path("small") / name)
        service.proxy.latency(FAR)
        one_by_one = service.fetch(1, 0, *(f"raw/{name}" for name in names[:SAMPLED_GETS])) / SAMPLED_GETS * len(names)
        service.proxy.latency(0)
        host = self.fresh(service)
        root = host.mount("small", Path())
        try:
            drop_caches()
            service.proxy.latency(FAR)
            before = service.proxy.counts()
            took = self.bench.read([self.bench.reader, "files", "1", str(listing), str(root)], "inside")
            spent = service.proxy.counts() - before
        finally:
            service.proxy.latency(0)
            host.unmount()
        note = f"{took:.1f} s against {one_by_one:.0f} s (from {SAMPLED_GETS} GETs); {spent}"
        title = "10,000 small files in name order, cold, 20 ms"
        bar = Bar(20, least=True)
        yield self._row("small", f"{title}: times faster than a GET a file", one_by_one / took, bar=bar, note=note)
        gets = spent.gets / (len(names) / 100)
        yield self._row("small-gets", f"{title}: GETs for 100 files", gets, unit="", bar=Bar(1, unit=""))

    def _second(self) -> Iterator[Row]:
        service = self.stored("small")
        host = self.fresh(service)
        self._read_all(host, service)
        changed = self._change(service)
        spent = self._read_all(host, service)
        figure = spent.down / changed
        title = "second commit, 1 % of files changed: bytes fetched ÷ bytes changed"
        yield self._row("second", title, figure, bar=Bar(2.0), note=f"{changed / 2**20:.2f} MiB changed; {spent}")

    def _read_all(self, host: Vfs, service: Service) -> Counts:
        before = service.proxy.counts()
        root = host.mount("small", Path())
        try:
            drop_caches()
            listing = str(self.data.names("small", "name"))
            self.bench.read([self.bench.reader, "files", "1", listing, str(root)], "inside")
            return service.proxy.counts() - before
        finally:
            host.unmount()

    def _change(self, service: Service) -> int:
        """Commit new content for every hundredth file, drawn at random; bytes of it."""
        names = self.data.names("small", "shuffled").read_text().splitlines()
        drawn, edit = random.Random(23).sample(names, len(names) // 100), self.place / "edit"
        for name in drawn:
            target = edit / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(os.urandom(14_000))
        self.host("writer-small", service, direct=True).command("put", "small", f"{edit}/", "-m", "one per cent")
        return 14_000 * len(drawn)
