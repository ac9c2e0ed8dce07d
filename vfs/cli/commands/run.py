"""`vfs run`: a program over revisions, and what it writes as a commit."""

from __future__ import annotations

from pathlib import Path

import click

from vfs.cli import options, output, progress
from vfs.cli.call import Call
from vfs.cli.commits import created
from vfs.cli.names import one_line, raw
from vfs.cli.parameters import BRANCH, INPUT
from vfs.cli.values import counted
from vfs.model.revision import Revision
from vfs.run.inputs import parse_input
from vfs.run.runner import RunResult, run

# What follows the first word that is no option of ours belongs to the command.
_COMMAND_LAST = {"allow_interspersed_args": False, "ignore_unknown_options": False}


@click.command("run", context_settings=_COMMAND_LAST)
@click.option(
    "-i", "--input", "inputs", type=INPUT, multiple=True, required=True, metavar="[NAME=]REV",
    help="A revision to show at /pfs/NAME (by default the repo's name); may be given several times.",
)  # fmt: skip
@click.option(
    "-o", "--output", "target", type=BRANCH, required=True, metavar="REPO[@BRANCH]",
    help="Where to commit what the command writes to /pfs/out; made if absent.",
)  # fmt: skip
@options.message
@options.author
@options.signing
@click.argument("command", metavar="-- CMD...", type=click.Path(), nargs=-1, required=True)
@click.pass_context
def run_command(
    context: click.Context,
    inputs: tuple[str, ...],
    target: Revision,
    message: str,
    author: str | None,
    command: tuple[str, ...],
) -> None:
    """Run a program on revisions and commit what it writes.

    The program sees each input read-only at /pfs/NAME and an empty directory at /pfs/out (also in VFS_INPUTS,
    VFS_INPUT_NAME and VFS_OUT). When it ends with 0, what lies in /pfs/out becomes the tree of the branch, with the
    record of every file that was read. Otherwise nothing is committed and what it wrote is kept. vfs exits with the
    status of the program.

    \b
    Examples:
      vfs run -i photos -o thumbs -- python thumbnails.py /pfs/photos /pfs/out
      vfs run -i old=data@v1 -i data -o report -- sh /pfs/data/compare.sh
    """
    call = context.ensure_object(Call)
    given = [parse_input(text) for text in inputs]
    library = call.library()
    with progress.shown(f"commit {target}") as watcher:
        result = run(
            library,
            inputs=given,
            output=target,
            command=[raw(word) for word in command],
            message=message,
            author=author,
            progress=watcher,
            on_place=lambda place: _say_kept(call, place),
        )
    call.kept = ""
    _report(result, target)
    context.exit(result.exit_code)


def _say_kept(call: Call, place: Path) -> None:
    call.kept = f"nothing was committed; what the command wrote is in {place}"


def _report(result: RunResult, target: Revision) -> None:
    """On standard error: standard output belongs to the command."""
    for text in result.warnings:
        output.warn(text)
    if result.leftovers:
        output.warn(f"{counted(result.leftovers, 'process')} outlived the command and were ended")
    if result.repo_created:
        output.note(f"repo {target.repo} created")
    if result.stored is not None:
        output.note(created(result.stored, target.branch))
        return
    kept = f"; what it wrote is kept in {one_line(str(result.kept))}" if result.kept is not None else ""
    output.complain(f"run: the command ended with status {result.exit_code}; nothing was committed{kept}")
