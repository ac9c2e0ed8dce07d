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
from vfs.run.declared import parse_strict
from vfs.run.inputs import parse_input
from vfs.run.place import described
from vfs.run.result import RunResult
from vfs.run.runner import run
from vfs.run.terms import Terms
from vfs.workspace.volume import limit_of

# What follows the first word that is no option of ours belongs to the command.
_COMMAND_LAST = {"allow_interspersed_args": False, "ignore_unknown_options": False}


class _OptionalKinds(click.Command):
    """Takes `--strict` alone as `--strict=`, so that the word after it is never its value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with the word replaced among our options; what follows the first other word is not ours."""
        valued = {opt for param in self.params for opt in param.opts if not getattr(param, "is_flag", True)}
        place = 0
        while place < len(args) and args[place].startswith("-") and args[place] != "--":
            if args[place] == "--strict":
                args[place] = "--strict="
            place += 2 if args[place] in valued else 1
        return super().parse_args(ctx, args)


@click.command("run", cls=_OptionalKinds, context_settings=_COMMAND_LAST)
@click.option(
    "-i", "--input", "inputs", type=INPUT, multiple=True, required=True, metavar="[NAME=]REV",
    help="A revision to show at /pfs/NAME (by default the repo's name); may be given several times.",
)  # fmt: skip
@click.option(
    "-o", "--output", "target", type=BRANCH, required=True, metavar="REPO[@BRANCH]",
    help="Where to commit what the command writes to /pfs/out; made if absent.",
)  # fmt: skip
@click.option(
    "--strict", metavar="[=KIND,...]",
    help="Commit nothing when inputs are unused, undeclared or missing; KIND chooses which of these.",
)  # fmt: skip
@click.option("--trace-outside", is_flag=True, help="Record which files are opened outside of the inputs; needs root.")
@click.option("--image", metavar="NAME", default="", help="The container image that this runs in. Also VFS_IMAGE.")
@click.option(
    "--record-env", "environment", metavar="NAME", multiple=True,
    help="Record this environment variable as well; may be given several times.",
)  # fmt: skip
@click.option("--max-size", metavar="SIZE", help="What the output may take on disk, such as 10GiB; as root.")
@options.message
@options.author
@options.signing
@click.argument("command", metavar="-- CMD...", type=click.Path(), nargs=-1, required=True)
@click.pass_context
def run_command(
    context: click.Context,
    inputs: tuple[str, ...],
    target: Revision,
    strict: str | None,
    trace_outside: bool,
    image: str,
    environment: tuple[str, ...],
    max_size: str | None,
    message: str,
    author: str | None,
    command: tuple[str, ...],
) -> None:
    """Run a program on revisions and commit what it writes.

    The program sees each input read-only at /pfs/NAME and an empty directory at /pfs/out (also in VFS_INPUTS,
    VFS_INPUT_NAME and VFS_OUT). When it ends with 0, what lies in /pfs/out becomes the tree of the branch, with the
    record of every file that was read. Otherwise nothing is committed and what it wrote is kept. vfs exits with the
    status of the program.

    Afterwards it is said which inputs were not used (unused), which names were looked up in them and not there
    (missing), and, with --trace-outside, which files were opened elsewhere (undeclared). With --strict these are
    errors. With --max-size programs get "no space left on device" when the output has that size, which is taken from
    the disk at once.

    \b
    Examples:
      vfs run -i photos -o thumbs -- python thumbnails.py /pfs/photos /pfs/out
      vfs run -i old=data@v1 -i data -o report -- sh /pfs/data/compare.sh
      vfs run -i data -o model --strict=unused,undeclared -- python train.py
    """
    call = context.ensure_object(Call)
    given = [parse_input(text) for text in inputs]
    terms = Terms(
        strict=parse_strict(strict) if strict is not None else frozenset(),
        trace_outside=trace_outside,
        image=image,
        environment=environment,
        max_size=limit_of(max_size) if max_size is not None else 0,
    )
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
            terms=terms,
        )
    call.kept = ""
    _report(result, target)
    context.exit(result.exit_code)


def _say_kept(call: Call, place: Path) -> None:
    call.kept = f"nothing was committed; what the command wrote is in {described(place)}"


def _report(result: RunResult, target: Revision) -> None:
    """On standard error: standard output belongs to the command."""
    for text in result.warnings:
        output.warn(text)
    for text in result.declared.lines():
        output.note(text)
    if result.leftovers:
        output.warn(f"{counted(result.leftovers, 'process')} outlived the command and were ended")
    if result.repo_created:
        output.note(f"repo {target.repo} created")
    if result.stored is not None:
        output.note(created(result.stored, target.branch))
        return
    kept = f"; what it wrote is kept in {one_line(described(result.kept))}" if result.kept is not None else ""
    output.complain(f"run: the command ended with status {result.exit_code}; nothing was committed{kept}")
