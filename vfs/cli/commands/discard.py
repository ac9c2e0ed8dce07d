"""`vfs discard`: what was written to a mount, thrown away."""

from __future__ import annotations

import click

from vfs.cli import output
from vfs.cli.call import Call, pass_call
from vfs.cli.names import one_line
from vfs.cli.parameters import MOUNTPOINT
from vfs.control.dead import clear_dead
from vfs.control.registry import Registry
from vfs.workspace.status import find_layer


@click.command("discard")
@click.argument("directory", metavar="DIR|LAYER", type=MOUNTPOINT)
@pass_call
def discard_command(call: Call, directory: str) -> None:
    """Throw away what changed in a writable mount.

    Unmount it first. LAYER is the id of a layer, as vfs mounts --layers shows it. Commits that were made from it
    stay; what was not committed is lost.

    \b
    Examples:
      vfs umount /mnt/photos && vfs discard /mnt/photos
      vfs discard 3f9a1c
    """
    state_dir = call.settings().state_dir
    layer = find_layer(state_dir, directory)
    if not layer.base.shell:
        # The overlay of a killed daemon would make the layer look as if it were in use.
        clear_dead(Registry(state_dir), layer.base.mountpoint)
    layer.discard()
    output.line(f"{one_line(directory)}: changes discarded")
