"""`vfs commit`: what changed in a writable mount, as a commit."""

from __future__ import annotations

import click

from vfs.cli import options, output, progress
from vfs.cli.call import Call, pass_call
from vfs.cli.commits import created
from vfs.cli.names import named, one_line
from vfs.cli.parameters import BRANCH, MOUNTPOINT
from vfs.cli.values import counted
from vfs.control.client import Client
from vfs.control.registry import Registry
from vfs.journal.log import Journal
from vfs.model.revision import Revision
from vfs.run.code import with_code
from vfs.run.ending import noted
from vfs.workspace.commit import LayerCommit, commit_layer
from vfs.workspace.layer import Layer
from vfs.workspace.provenance import layer_record, layer_sessions, layer_writers
from vfs.workspace.selection import Selection
from vfs.workspace.status import find_layer
from vfs.workspace.writers import wait_for_writers


class _OptionalWait(click.Command):
    """Takes `--wait` alone as `--wait=inf`, so that the word after it is never its value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with the word replaced where it is no value of another option."""
        valued = {opt for param in self.params for opt in param.opts if not getattr(param, "is_flag", True)}
        words = zip(["", *args], args, strict=False)
        return super().parse_args(
            ctx, ["--wait=inf" if word == "--wait" and before not in valued else word for before, word in words]
        )


@click.command("commit", cls=_OptionalWait)
@click.argument("directory", metavar="DIR|LAYER", type=MOUNTPOINT)
@options.message
@click.option("-o", "--to", "target", metavar="REPO@BRANCH", type=BRANCH, help="Branch to commit to, made if absent.")
@click.option("--include", metavar="GLOB", multiple=True, help="Commit only what matches; may be repeated.")
@click.option("--exclude", metavar="GLOB", multiple=True, help="Leave out what matches; may be repeated.")
@click.option("--no-ignore", is_flag=True, help="Commit what a .vfsignore keeps out, too.")
@click.option(
    "--wait",
    metavar="[=SECONDS]",
    type=click.FloatRange(min=0),
    help="Wait until no program has a file open for writing.",
)
@options.author
@options.signing
@options.as_json
@pass_call
def commit_command(
    call: Call,
    directory: str,
    message: str,
    target: Revision | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    no_ignore: bool,
    wait: float | None,
    author: str | None,
    as_json: bool,
) -> None:
    """Commit what changed in a writable mount.

    LAYER is the id of a layer that is not mounted, or only by vfs shell. The commit goes to the branch that was
    mounted, or to REPO@BRANCH, which the mount then follows. The mount may be in use meanwhile, and stays. When
    another writer changed the same paths nothing is committed and the exit code is 4.

    GLOB is a pattern as in .gitignore, relative to the mount's root. What is left out stays a change of the mount. New
    files that a .vfsignore there matches are left out too. Without --wait a file that is being written while it is
    read is named, and nothing is committed.

    \b
    Examples:
      vfs commit /mnt/photos -m "retouched"
      vfs commit /mnt/photos -m "try" -o photos@experiment
      vfs commit 3f9a1c -m "what the shell left"
      vfs commit /mnt/photos --include "2026/" --exclude "*.tmp" --wait=30
    """
    layer = find_layer(call.settings().state_dir, directory)
    selection = Selection(include, exclude, ignoring=not no_ignore)
    call.kept = "nothing was committed; what was written is in the layer as before"
    with (
        Journal.open(call.settings().state_dir) as journal,
        progress.shown(f"commit {one_line(directory)}") as watcher,
    ):
        if wait is not None:
            wait_for_writers(call.library(), layer, wait)
        session = _session(call, layer)
        record, warnings = with_code(layer_record(journal, layer, command=call.command(), session=session))
        for text in warnings:
            output.warn(text)
        done = commit_layer(
            call.library(),
            layer,
            message=message,
            author=author,
            target=target,
            record=record,
            writers=layer_writers(journal, layer, session),
            progress=watcher,
            selection=selection,
        )
        call.kept = ""
        branch = _branch(layer)
        sessions = layer_sessions(journal, layer, session)
        missed: tuple[str, ...] = ()
        if sessions and done.changed:
            missed = noted(journal, sessions[-1], stored=done.stored, branch=branch, outputs=done.outputs)
    _report(done, branch, (*done.warnings, *missed), as_json)


def _session(call: Call, layer: Layer) -> str:
    """The journal session of the mount, with all it saw so far written down; "" when it is not mounted."""
    mounts, known = Registry(call.settings().state_dir).mounts(), layer.sessions()
    # A shell mounts its layer where nobody sees it, over the mount of a daemon that has its session.
    mount = next((one for one in mounts if one.alive and one.session and one.session in known), None)
    if mount is None:
        return ""
    with Client(mount.place) as client:
        client.flush()
        return client.status().session


def _branch(layer: Layer) -> str:
    tip = layer.tip()
    return tip.branch if tip is not None else layer.base.branch


def _report(done: LayerCommit, branch: str, warnings: tuple[str, ...], as_json: bool) -> None:
    repo = done.stored.commit.repo
    if as_json:
        outputs = [{**named("path", out.path), "digest": out.digest.hex() or None} for out in done.outputs]
        found = {"repo": repo, "branch": branch, "commit": done.id.hex(), "changed": done.changed, "outputs": outputs}
        output.document({**found, "warnings": list(warnings)})
    elif done.changed:
        output.line(f"{created(done.stored, branch)}; {counted(len(done.outputs), 'path')} changed")
    else:
        output.line(f"{repo}@{branch}: no change, no commit")
    for text in warnings:
        output.warn(text)
