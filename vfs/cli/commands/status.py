"""`vfs status`: how mounts are, and what changed in the writable ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from vfs.cli import changes, options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.changes import Change, change_json, of_layer
from vfs.cli.commands.mounts import mode, mount_json, state, what
from vfs.cli.names import one_line
from vfs.cli.parameters import MOUNTPOINT
from vfs.cli.values import counted, local_time, utc_time
from vfs.config.sizes import format_size
from vfs.control.client import Client
from vfs.control.mountpoint import canonical
from vfs.control.protocol import Status
from vfs.control.registry import Mount, Registry
from vfs.errors import DaemonError, NotFound, UsageError
from vfs.model.ids import short
from vfs.workspace.layer import Layer
from vfs.workspace.layers import layer_at, layer_called
from vfs.workspace.status import find_layer, status

# A daemon answers in a millisecond; one that does not within this is shown as not answering.
_PATIENCE = 3.0
_LINEAGE = {
    "open": "open, each is recorded",
    "fanotify": "fanotify, each open is recorded",
    "off": "off, no open is recorded",
}


@click.command("status")
@click.argument("directory", metavar="[DIR|LAYER]", type=MOUNTPOINT, required=False)
@click.option("--ignored", is_flag=True, help="Also what .vfsignore keeps out.")
@options.as_json
@pass_call
def status_command(call: Call, directory: str | None, ignored: bool, as_json: bool) -> None:
    """Show the health of mounts and what changed in them.

    Without DIR all mounts of this user, each in a line. With DIR the mount there, or the layer that was written there,
    and its changes since the last commit: A added, D deleted, M content changed, R moved (old -> new path), T kind
    changed, P only mode, time or attributes changed; with --ignored also I, kept out by a .vfsignore.

    A new file counts as moved when one of the same content is gone, a new directory when it is one that is gone.

    \b
    Examples:
      vfs status
      vfs status /mnt/photos
    """
    if directory is None:
        if ignored:
            raise UsageError("status: --ignored speaks of one mount; name its directory")
        _all(call, as_json)
    else:
        _one(call, directory, ignored, as_json)


def layer_changes(call: Call, directory: str, *, ignored: bool = False) -> Iterator[Change]:
    """What changed in the layer of a mount point, or in the layer of that id, since its last commit."""
    layer = find_layer(call.settings().state_dir, directory)
    return map(of_layer, status(call.library(), layer, ignored=ignored))


def _all(call: Call, as_json: bool) -> None:
    mounts = Registry(call.settings().state_dir).mounts()
    asked = ((mount, _ask(mount)) for mount in mounts)
    if as_json:
        output.array({**mount_json(mount), "daemon": _status_json(said)} for mount, said in asked)
        return
    rows = [(mount.mountpoint, what(mount), mode(mount), _health(mount, said)) for mount, said in asked]
    output.table(("directory", "what", "mode", "health"), rows)
    if not rows:
        output.note("no mounts; vfs mount REV DIR makes one")


def _one(call: Call, directory: str, ignored: bool, as_json: bool) -> None:
    state_dir, point = call.settings().state_dir, canonical(directory)
    mount, layer = Registry(state_dir).find(point), layer_at(state_dir, point)
    if mount is None and layer is None and (layer := layer_called(state_dir, directory)) is not None:
        mount = Registry(state_dir).find(layer.base.mountpoint) if not layer.base.shell else None
        point = layer.id
    if mount is None and layer is None:
        raise NotFound(f"{one_line(directory)}: no vfs mount, and no writable layer")
    said = _ask(mount) if mount is not None else None
    found = list(layer_changes(call, point, ignored=ignored)) if layer is not None else []
    if as_json:
        shown = {**mount_json(mount), "daemon": _status_json(said)} if mount is not None else None
        output.document({"mount": shown, "layer": _layer_json(layer), "changes": list(map(change_json, found))})
        return
    output.fields(_mount_fields(mount, said) + _layer_fields(layer))
    if layer is not None:
        output.line()
        changes.print_names(found)
        count = sum(change.letter != "I" for change in found)
        output.line(
            f"{counted(count, 'change')}; vfs commit keeps them, vfs discard drops them" if count else "nothing changed"
        )


def _ask(mount: Mount) -> Status | DaemonError:
    try:
        with Client(mount.place, timeout=_PATIENCE) as client:
            return client.status()
    except DaemonError as error:
        return error


def _health(mount: Mount, said: Status | DaemonError) -> str:
    if not mount.alive:
        return "dead: its daemon is gone"
    if isinstance(said, DaemonError):
        return one_line(str(said))
    return f"{said.state}, {counted(len(said.troubles), 'trouble')}" if said.troubles else said.state


def _mount_fields(mount: Mount | None, said: Status | DaemonError | None) -> list[tuple[str, str]]:
    if mount is None or said is None:
        return [("mount", "none at the moment")]
    fields = [
        ("mount", mount.mountpoint),
        ("of", what(mount)),
        ("mode", mode(mount)),
        ("health", _health(mount, said)),
        ("daemon", f"pid {mount.pid}, {state(mount)}" if mount.pid else ""),
    ]
    return fields + _daemon_fields(said) if isinstance(said, Status) else fields


def _daemon_fields(said: Status) -> list[tuple[str, str]]:
    return [
        ("up", f"{(time.time_ns() - said.started_ns) / 1e9:.0f} s, vfs {said.version}"),
        ("lineage", _LINEAGE.get(said.lineage, said.lineage) + (f", {said.lost} opens lost" if said.lost else "")),
        ("waiting", f"{said.waiting} requests" if said.waiting else ""),
        *((f"lever {name}", value) for name, value in said.levers.items()),
        ("answered", ", ".join(f"{count} {name}" for name, count in said.operations.items() if count)),
        *(
            ("trouble", f"{local_time(trouble.when_ns)} {trouble.count}x {one_line(trouble.what)}")
            for trouble in said.troubles
        ),
    ]


def _layer_fields(layer: Layer | None) -> list[tuple[str, str]]:
    if layer is None:
        return []
    base, tip = layer.base, layer.tip()
    branch = f"@{base.branch}" if base.branch else ""
    fields = [
        ("layer", layer.id),
        ("layer on", f"{base.repo}{branch}, commit {short(base.id)}"),
        ("limit", format_size(base.max_size) if base.max_size else ""),
    ]
    return fields + ([("committed", f"{tip.repo}@{tip.branch}, commit {short(tip.id)}")] if tip else [])


def _layer_json(layer: Layer | None) -> dict[str, Any] | None:
    if layer is None:
        return None
    base, tip = layer.base, layer.tip()
    return {
        "id": layer.id,
        "directory": str(layer.directory),
        "max_size": base.max_size or None,
        "repo": base.repo,
        "branch": base.branch or None,
        "base": base.commit,
        "last_commit": tip.commit if tip else base.commit,
    }


def _status_json(said: Status | DaemonError | None) -> Any:
    if not isinstance(said, Status):
        return {"error": str(said)} if said is not None else None
    troubles = [
        {"time": utc_time(trouble.when_ns), "count": trouble.count, "what": trouble.what} for trouble in said.troubles
    ]
    plain = {"state": said.state, "version": said.version, "lineage": said.lineage, "lost": said.lost}
    return {
        **plain,
        "waiting": said.waiting,
        "levers": said.levers,
        "operations": said.operations,
        "troubles": troubles,
    }
