"""The local part: every workload on ext4, on vfs and on the peers, as rows of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import Bench
from bench.peers import PEERS
from bench.results import Bar, Row, Sample
from bench.systems import Ext4, System, Vfs
from bench.workloads import LOCAL, Workload

# A peer is this much slower than vfs in small cold files, says the bar.
PEER_BAR = Bar(3.0, least=True)
PEERS_BEHIND = ("restic", "borg", "squashfuse")


class Local:
    """The systems of the local part, and their measuring."""

    def __init__(self, bench: Bench, place: Path, *, say: Callable[[str], None], peers: bool) -> None:
        self.bench = bench
        self.ext4, self.vfs = Ext4(place), Vfs(place)
        found = [peer(place) for peer in PEERS] if peers else []
        self.absent = {peer.name: reason for peer in found if (reason := peer.absent())}
        self.absent["s3fs"] = "reads S3 only: see the S3 part"
        self.peers: list[System] = [peer for peer in found if peer.name not in self.absent]
        self._say = say

    def stop(self) -> None:
        """Unmount all."""
        for system in (self.vfs, *self.peers):
            system.unmount()

    def rows(self, wanted: Callable[[str], bool]) -> Iterator[Row]:
        """Measure the workloads that are wanted, one after the other."""
        for workload in LOCAL:
            if wanted(f"local/{workload.name}"):
                yield from self._measured(workload)

    def _measured(self, workload: Workload) -> Iterator[Row]:
        self._say(f"{workload.name}: {workload.title}")
        for order in ("name", "shuffled"):
            self.bench.data.names(workload.dataset, order)
        samples: dict[str, Sample] = {}
        for group in ([self.ext4, self.vfs], *[[peer] for peer in self.peers]):
            for system, sample in zip(group, self.bench.sample(workload, group), strict=True):
                samples[system.name] = sample
        row = self._row(workload, samples)
        yield row
        if workload.name == "small-cold" and row.figure:
            yield from _behind(row)

    def _row(self, workload: Workload, samples: dict[str, Sample]) -> Row:
        base, own = samples["local"], samples["vfs"]
        ratios = {name: sample.median / base.median for name, sample in samples.items() if sample.seconds}
        count = self.count(workload)
        note = _each(workload, base.median / count, own, count)
        figure, unit = ratios.get("vfs"), "x"
        if workload.bar and workload.bar.unit == "µs/entry" and own.seconds:
            figure, unit = own.median / count * 1e6, workload.bar.unit
        failed = {name: sample.reason for name, sample in samples.items() if sample.reason}
        return Row(
            part="local",
            name=workload.name,
            title=workload.title,
            yardstick="ext4",
            figure=figure,
            unit=unit,
            bar=workload.bar,
            repeats=len(own.seconds),
            note=note,
            peers={name: ratio for name, ratio in ratios.items() if name not in ("vfs", "local")},
            absent={**self.absent, **failed},
            raw={name: list(sample.seconds) for name, sample in samples.items()},
        )

    def count(self, workload: Workload) -> int:
        """Operations in one pass, for the time of each."""
        scale = self.bench.data.scale
        if workload.each == "read":
            return scale.random_reads
        if workload.each == "entry":
            return scale.many + (scale.many + 499) // 500
        return {"many": scale.many, "small": scale.small}.get(workload.dataset, 1)


def _each(workload: Workload, base: float, own: Sample, count: int) -> str:
    if not own.seconds:
        return own.reason
    mine = own.median / count
    if workload.each:
        return f"ext4 {base * 1e6:.1f} µs, vfs {mine * 1e6:.1f} µs a {workload.each}"
    return f"ext4 {base:.2f} s, vfs {mine:.2f} s"


def _behind(row: Row) -> Iterator[Row]:
    assert row.figure
    for name in PEERS_BEHIND:
        if name in row.peers:
            yield Row(
                part="local",
                name=f"small-cold-{name}",
                title=f"{row.title}: {name} ÷ vfs",
                yardstick="vfs",
                figure=row.peers[name] / row.figure,
                bar=PEER_BAR,
                repeats=row.repeats,
            )
