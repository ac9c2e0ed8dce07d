"""`vfs diff`: two revisions, or a writable mount and its base."""

from __future__ import annotations

import os
from collections.abc import Iterator

import click

from vfs.cli import changes, options, output, patch
from vfs.cli.call import Call
from vfs.cli.changes import Change, of_difference, worth_showing
from vfs.cli.names import one_line, raw
from vfs.cli.parameters import REVISION_OR_MOUNT
from vfs.errors import UsageError
from vfs.model.revision import parse_revision
from vfs.repo.compare import compare
from vfs.repo.resolve import Resolved, resolve


@click.command("diff")
@click.argument("sides", metavar="REV REV | DIR | LAYER", type=REVISION_OR_MOUNT, nargs=-1, required=True)
@click.option("--stat", "totals", is_flag=True, help="Only how many paths and bytes.")
@click.option("-p", "--patch", "as_patch", is_flag=True, help="Text files line by line, as diff -u (two revisions).")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when there are differences.")
@options.as_json
@click.pass_context
def diff_command(
    context: click.Context, sides: tuple[str, ...], totals: bool, as_patch: bool, exit_code: bool, as_json: bool
) -> None:
    """Compare two revisions, or a writable mount with its base.

    Each path has a letter before it: A added, D deleted, M content changed, T kind changed, P only mode, time or
    attributes changed; in a mount also R moved (old -> new path). Directories of which only the time changed are left
    out where anything else changed, and so is what a .vfsignore keeps out of a mount.

    \b
    Examples:
      vfs diff photos@v1 photos
      vfs diff --stat photos~1 photos
      vfs diff -p conf@a:etc conf@b:etc
      vfs diff /mnt/photos
    """
    call = context.ensure_object(Call)
    if len(sides) > 2:
        raise UsageError(f"diff: two revisions or one mounted directory, not {len(sides)} words")
    if len(sides) == 1:
        if as_patch:
            raise UsageError("diff: -p compares two revisions; for a mount compare with a local diff -r")
        from vfs.cli.commands.status import layer_changes
        from vfs.workspace.layers import layer_called

        if not os.path.isdir(raw(sides[0])) and layer_called(call.settings().state_dir, sides[0]) is None:
            raise UsageError(f"{one_line(sides[0])}: not a directory; vfs diff REV REV compares two revisions")
        found = layer_changes(call, sides[0])
    else:
        found = worth_showing(map(of_difference, compare(call.library(), *_resolved(call, sides))))
    seen = _Seen(found)
    if as_json:
        output.array(map(changes.change_json, seen))
    elif totals:
        changes.print_totals(seen)
    elif as_patch:
        patch.print_patches(call.library(), seen)
    else:
        changes.print_names(seen)
    if exit_code and seen.any:
        context.exit(1)


class _Seen:
    """Passes differences on and remembers whether there were any."""

    def __init__(self, found: Iterator[Change]) -> None:
        self._found = found
        self.any = False

    def __iter__(self) -> Iterator[Change]:
        for change in self._found:
            self.any = True
            yield change


def _resolved(call: Call, sides: tuple[str, ...]) -> tuple[Resolved, Resolved]:
    a, b = (resolve(call.library(), parse_revision(side)) for side in sides)
    return a, b
