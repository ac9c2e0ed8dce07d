"""`vfs umount`: the end of a mount."""

from __future__ import annotations

import click

from vfs.cli import output
from vfs.cli.call import Call, pass_call
from vfs.cli.names import one_line
from vfs.cli.parameters import MOUNTPOINT
from vfs.control.stop import stop


@click.command("umount")
@click.argument("directories", metavar="DIR...", type=MOUNTPOINT, nargs=-1, required=True)
@click.option("--lazy", is_flag=True, help="Detach at once, though something in it is open.")
@pass_call
def umount_command(call: Call, directories: tuple[str, ...], lazy: bool) -> None:
    """Unmount a directory.

    What was written to a writable mount stays in its layer until it is committed or discarded.

    \b
    Examples:
      vfs umount /mnt/photos
      vfs umount --lazy /mnt/photos
    """
    state_dir = call.settings().state_dir
    for directory in directories:
        stop(directory, state_dir=state_dir, lazy=lazy)
        output.line(f"{one_line(directory)} unmounted")
