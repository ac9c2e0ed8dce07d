"""`vfs impact`: everything downstream of a file, as a list to act on."""

from __future__ import annotations

import click

from vfs.cli.call import Call, pass_call
from vfs.cli.graphs import Wanted, deliver, graph_options
from vfs.cli.parameters import REVISION
from vfs.journal.impact import impact
from vfs.model.revision import Revision
from vfs.repo.resolve import resolve


@click.command("impact")
@click.argument("revision", metavar="REV:PATH", type=REVISION)
@click.option("--all-versions", is_flag=True, help="Whatever PATH held, in any commit; it need not be in REV.")
@click.option("--listings", is_flag=True, help="Also runs that only listed its directory, or looked for it in vain.")
@click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Runs to go on; all by default.")
@graph_options
@pass_call
def impact_command(
    call: Call, revision: Revision, all_versions: bool, listings: bool, depth: int | None, wanted: Wanted
) -> None:
    """Show everything that was made from a file, as a list to act on.

    For a file that was withdrawn, or is wrong. PATH is a file, or a directory for all that is in it; without
    PATH it is all that the commit made. For each commit downstream: the branches and tags that still hold what was
    made, the paths that were made from it, those that possibly were, the run, who and when.

    \b
    Examples:
      vfs impact scans:2024/p17.dcm
      vfs impact --all-versions scans:2024/p17.dcm
      vfs impact --json scans@v1:2024 | jq -r '.commits[] | .repo + "@" + .commit'
    """
    library = call.library()
    resolved = resolve(library, revision)
    deliver(call, impact(library, resolved, depth=depth, listings=listings, all_versions=all_versions), wanted)
