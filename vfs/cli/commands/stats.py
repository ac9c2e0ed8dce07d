"""`vfs stats`: what mounts asked of their store, and how often they did not have to."""

from __future__ import annotations

from typing import Any

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.commands.mounts import mount_json, what
from vfs.cli.names import one_line
from vfs.cli.parameters import MOUNTPOINT
from vfs.config.sizes import format_size
from vfs.control.client import Client
from vfs.control.mountpoint import canonical
from vfs.control.registry import Mount, Registry
from vfs.errors import NotFound
from vfs.metrics import names

# A daemon answers in a millisecond; waiting longer would hide that it does not.
_PATIENCE = 3.0


@click.command("stats")
@click.argument("directory", metavar="[DIR]", type=MOUNTPOINT, required=False)
@options.as_json
@pass_call
def stats_command(call: Call, directory: str | None, as_json: bool) -> None:
    """Show what mounts asked of their store: requests, bytes, hits.

    Counted since each mount began. LISTs and PUTs cost most at the large services, then GETs. --json gives every
    metric of docs/METRICS.md.

    \b
    Examples:
      vfs stats
      vfs stats /mnt/scans --json
    """
    mounts = [mount for mount in Registry(call.settings().state_dir).mounts() if mount.alive]
    if directory is not None:
        point = canonical(directory)
        mounts = [mount for mount in mounts if mount.mountpoint == point]
        if not mounts:
            raise NotFound(f"{one_line(directory)}: no vfs mount that is alive")
    asked = [(mount, _ask(mount)) for mount in mounts]
    if as_json:
        output.array({**mount_json(mount), "metrics": found} for mount, found in asked)
        return
    figures = ("gets", "puts", "lists", "fetched", "read", "memory", "cache", "ahead")
    output.table(
        ("directory", "what", *figures),
        [(mount.mountpoint, what(mount), *_figures(found)) for mount, found in asked],
        right=figures,
    )
    if not asked:
        output.note("no mounts; vfs mount REV DIR makes one")


def _ask(mount: Mount) -> dict[str, Any]:
    with Client(mount.place, timeout=_PATIENCE) as client:
        return dict(client.stats())


def _figures(found: dict[str, Any]) -> tuple[str, ...]:
    def of(metric: names.Metric, *labels: str) -> float:
        return float(found.get(f"{metric.name}{{{','.join(labels)}}}" if labels else metric.name, 0))

    return (
        f"{of(names.STORE_REQUESTS, 'get'):.0f}",
        f"{of(names.STORE_REQUESTS, 'put') + of(names.STORE_REQUESTS, 'swap'):.0f}",
        f"{of(names.STORE_REQUESTS, 'list'):.0f}",
        format_size(int(of(names.STORE_BYTES, "read"))),
        format_size(int(of(names.READ_BYTES))),
        _share(of(names.MEMORY_HITS), of(names.MEMORY_MISSES)),
        _share(of(names.CACHE_HITS), of(names.CACHE_MISSES)),
        format_size(int(of(names.PREFETCHED))),
    )


def _share(hits: float, misses: float) -> str:
    return f"{100 * hits / (hits + misses):.0f} %" if hits + misses else "-"
