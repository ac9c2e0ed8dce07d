"""`vfs discard`: what was written to a mount, thrown away."""

from __future__ import annotations

import click

from vfs.cli import output
from vfs.cli.call import Call, pass_call
from vfs.cli.names import one_line
from vfs.cli.parameters import MOUNTPOINT
from vfs.workspace.status import find_layer


@click.command("discard")
@click.argument("directory", metavar="DIR", type=MOUNTPOINT)
@pass_call
def discard_command(call: Call, directory: str) -> None:
    """Throw away what changed in a writable mount.

    Unmount it first. Commits that were made from it stay; what was not committed is lost.

    \b
    Example:
      vfs umount /mnt/photos && vfs discard /mnt/photos
    """
    find_layer(call.settings().state_dir, directory).discard()
    output.line(f"{one_line(directory)}: changes discarded")
