"""`vfs mounts`: the mounts of this user."""

from __future__ import annotations

from typing import Any

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.names import named, raw
from vfs.cli.values import utc_time
from vfs.control.registry import Mount, Registry


@click.command("mounts")
@options.as_json
@pass_call
def mounts_command(call: Call, as_json: bool) -> None:
    """List the mounts of this user.

    A mount is dead when its daemon was killed; the next mount on the directory, or vfs umount, clears it.

    \b
    Example:
      vfs mounts --json
    """
    found = Registry(call.settings().state_dir).mounts()
    if as_json:
        output.array(map(mount_json, found))
        return
    output.table(
        ("directory", "what", "mode", "pid", "state"),
        [(mount.mountpoint, what(mount), mode(mount), str(mount.pid or ""), state(mount)) for mount in found],
    )
    if not found:
        output.note("no mounts; vfs mount REV DIR makes one")


def what(mount: Mount) -> str:
    """What is mounted."""
    return mount.title or mount.kind


def mode(mount: Mount) -> str:
    """`ro` or `rw`."""
    return "ro" if mount.read_only else "rw"


def state(mount: Mount) -> str:
    """`alive` or `dead`."""
    return "alive" if mount.alive else "dead"


def mount_json(mount: Mount) -> dict[str, Any]:
    """One mount as a JSON object."""
    return {
        **named("mountpoint", raw(mount.mountpoint)),
        "what": mount.title,
        "kind": mount.kind,
        "mode": mode(mount),
        "pid": mount.pid or None,
        "started": utc_time(mount.started_ns) if mount.started_ns else None,
        "state": state(mount),
        "layer": mount.layer or None,
        "session": mount.session or None,
        "id": mount.id,
    }
