"""`vfs mounts`: the mounts of this user."""

from __future__ import annotations

from typing import Any

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.names import named, raw
from vfs.cli.values import counted, utc_time
from vfs.config.sizes import format_size
from vfs.control.registry import Mount, Registry
from vfs.model.ids import short
from vfs.workspace.kept import KeptLayer, kept_layers, unmounted_layers


@click.command("mounts")
@click.option("--layers", "kept", is_flag=True, help="The layers of writable mounts instead, mounted or not.")
@options.as_json
@pass_call
def mounts_command(call: Call, kept: bool, as_json: bool) -> None:
    """List the mounts of this user.

    With --layers what was written, whether it is mounted or not. A mount is dead when its daemon was killed; the
    next mount on the directory, or vfs umount, clears it. What was written is in its layer: vfs mount --rw REV DIR
    goes on with that of the directory, --layer ID with any other.

    \b
    Examples:
      vfs mounts --json
      vfs mounts --layers
    """
    state_dir = call.settings().state_dir
    if kept:
        _layers(kept_layers(state_dir), as_json)
        return
    found = Registry(state_dir).mounts()
    if as_json:
        output.array(map(mount_json, found))
        return
    output.table(
        ("directory", "what", "mode", "pid", "state"),
        [(mount.mountpoint, what(mount), mode(mount), str(mount.pid or ""), state(mount)) for mount in found],
    )
    if not found:
        output.note("no mounts; vfs mount REV DIR makes one")
    shown = {mount.layer for mount in found}
    left = [layer for layer in unmounted_layers(state_dir) if str(layer.directory) not in shown]
    if left:
        output.note(f"{counted(len(left), 'layer')} kept and not mounted; vfs mounts --layers lists them all")


def _layers(found: list[KeptLayer], as_json: bool) -> None:
    if as_json:
        output.array(map(_layer_json, found))
        return
    output.table(
        ("layer", "of", "directory", "holds", "age", "state"),
        [(one.layer.id, _of(one), _where(one), _holds(one), _age(one.age_seconds), _state(one)) for one in found],
    )
    if not found:
        output.note("no layers; vfs mount --rw and vfs shell make them")


def _of(one: KeptLayer) -> str:
    base = one.layer.base
    return f"{base.repo}@{base.branch or short(base.id)}" + (f" {short(base.id)}" if base.branch else "")


def _where(one: KeptLayer) -> str:
    return "vfs shell" if one.layer.base.shell else one.layer.base.mountpoint


def _holds(one: KeptLayer) -> str:
    size = format_size(one.size) if one.size is not None else "?"
    return f"{size} of {format_size(one.layer.base.max_size)}" if one.layer.base.max_size else size


def _age(seconds: float) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            return counted(int(seconds // length), unit)
    return counted(int(seconds), "second")


def _state(one: KeptLayer) -> str:
    return ("mounted" if one.mounted else "kept") + (", committed from" if one.committed else "")


def _layer_json(one: KeptLayer) -> dict[str, Any]:
    base = one.layer.base
    return {
        "id": one.layer.id,
        "repo": base.repo,
        "branch": base.branch or None,
        "base": base.commit,
        **named("mountpoint", raw(base.mountpoint)),
        "shell": base.shell,
        "size": one.size,
        "max_size": base.max_size or None,
        "made": utc_time(base.created_ns),
        "mounted": one.mounted,
        "committed": one.committed,
        "directory": str(one.layer.directory),
    }


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
