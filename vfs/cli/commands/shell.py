"""`vfs shell`: a shell, or a command, in a writable tree of its own."""

from __future__ import annotations

from contextlib import suppress

import click

from vfs.cli import options, output, progress
from vfs.cli.call import Call
from vfs.cli.commits import created
from vfs.cli.names import raw
from vfs.cli.parameters import BRANCH
from vfs.cli.values import counted
from vfs.control.dead import clear_dead
from vfs.control.registry import Registry
from vfs.errors import DaemonError, UsageError, VfsError
from vfs.journal.log import Journal
from vfs.model.revision import Revision, parse_revision
from vfs.repo.resolve import resolve
from vfs.run.code import with_code
from vfs.run.ending import noted, with_lines
from vfs.run.shell import ShellEnded, default_shell, shell, shown_at
from vfs.workspace.attach import shell_layer
from vfs.workspace.commit import LayerCommit, commit_layer
from vfs.workspace.layer import Layer
from vfs.workspace.opened import OpenedLayer
from vfs.workspace.provenance import layer_record, layer_writers
from vfs.workspace.status import find_layer
from vfs.workspace.volume import limit_of

# What follows the revision belongs to the command.
_COMMAND_LAST = {"allow_interspersed_args": False, "ignore_unknown_options": False}


@click.command("shell", context_settings=_COMMAND_LAST)
@click.argument("words", metavar="REV [CMD...]", type=click.Path(), nargs=-1)
@click.option(
    "--layer", "kept", metavar="ID", help="No REV: go on with a layer that was kept, see vfs mounts --layers."
)
@click.option("--commit", is_flag=True, help="Commit what changed when CMD ends with 0.")
@options.message
@click.option("-o", "--to", "target", metavar="REPO@BRANCH", type=BRANCH, help="Branch to commit to, made if absent.")
@click.option("--discard", is_flag=True, help="Throw away what changed, however CMD ends.")
@click.option("--max-size", metavar="SIZE", help="What the layer may take on disk, such as 10GiB; as root.")
@options.author
@options.signing
@click.pass_context
def shell_command(
    context: click.Context,
    words: tuple[str, ...],
    kept: str | None,
    commit: bool,
    message: str,
    target: Revision | None,
    discard: bool,
    max_size: str | None,
    author: str | None,
) -> None:
    """Start a shell, or a program, in a writable tree of a revision.

    The tree is at /pfs/REPO (also in VFS_TREE), where CMD starts; nobody else sees it, and no root is needed. What was
    written stays in a layer, whose id is printed (also in VFS_LAYER), for vfs diff, commit, discard and shell --layer.
    vfs exits with the status of CMD.

    \b
    Examples:
      vfs shell photos
      vfs shell --commit -m "thumbnails" photos make thumbs
      vfs shell --discard code@v1 -- make test
    """
    call = context.ensure_object(Call)
    if commit and discard:
        raise UsageError("shell: --commit or --discard, not both")
    if not commit and (message or target is not None):
        raise UsageError("shell: -m and -o speak of a commit; they take --commit")
    layer, command = _layer(call, words, kept, max_size)
    call.kept = _where(layer)
    try:
        ended = shell(call.library(), layer, command=command, invocation=call.command())
    except VfsError as error:
        raise error if _drop_unused(layer) else with_lines(error, _where(layer)) from error
    except BaseException:
        _drop_unused(layer)
        raise
    _tell(ended)
    if discard:
        layer.discard()
    else:
        _settle(call, layer, ended, _Wish(commit, message, target, author))
    call.kept = ""
    context.exit(ended.exit_code)


class _Wish:
    """Whether to commit what changed, and how."""

    def __init__(self, commit: bool, message: str, target: Revision | None, author: str | None) -> None:
        self.commit = commit
        self.message = message
        self.target = target
        self.author = author


def _layer(call: Call, words: tuple[str, ...], kept: str | None, max_size: str | None) -> tuple[Layer, list[bytes]]:
    """The layer to write to, and the command."""
    state_dir = call.settings().state_dir
    if kept is not None:
        if max_size is not None:
            raise UsageError("shell: --max-size is for a new layer, not for one that was kept")
        layer, rest = find_layer(state_dir, kept), words
        if not layer.base.shell:
            clear_dead(Registry(state_dir), layer.base.mountpoint)
    elif words:
        resolved, rest = resolve(call.library(), parse_revision(words[0])), words[1:]
        size = limit_of(max_size) if max_size is not None else 0
        layer = shell_layer(call.library(), resolved, shown_at(resolved.repo), max_size=size)
    else:
        raise UsageError("shell: expected REV, or --layer ID; see 'vfs shell --help'")
    rest = rest[1:] if rest[:1] == ("--",) else rest
    return layer, [raw(word) for word in rest] or default_shell()


def _drop_unused(layer: Layer) -> bool:
    """Leave no layer behind where nothing was written; whether there is none now."""
    with suppress(VfsError):
        if layer.base.shell and layer.tip() is None and layer.is_untouched():
            layer.discard()
            return True
    return False


def _where(layer: Layer) -> str:
    return f"what was written is in layer {layer.id}"


def _tell(ended: ShellEnded) -> None:
    if ended.leftovers:
        output.warn(f"{counted(ended.leftovers, 'process')} outlived the command and were ended")
    for line in (*ended.lost, *ended.warnings):
        output.warn(line)


def _settle(call: Call, layer: Layer, ended: ShellEnded, wish: _Wish) -> None:
    """Commit if that is wanted and the command ended well; keep the layer for as long as something in it is not."""
    if wish.commit and ended.exit_code == 0:
        if ended.lost:
            raise DaemonError(f"shell: {ended.lost[0]}; nothing was committed; {_where(layer)}")
        try:
            _commit(call, layer, ended, wish)
        except VfsError as error:
            raise with_lines(error, _where(layer)) from error
    with layer.reachable():
        clean = OpenedLayer(call.library(), layer).is_clean()
    if clean:
        if layer.base.shell:
            layer.discard()
        return
    output.note(
        f"what changed is in layer {layer.id}: see vfs diff {layer.id}, go on with vfs shell --layer {layer.id}, "
        f"vfs commit {layer.id} or vfs discard {layer.id}"
    )


def _commit(call: Call, layer: Layer, ended: ShellEnded, wish: _Wish) -> None:
    with (
        Journal.open(call.settings().state_dir) as journal,
        progress.shown(f"commit layer {layer.id}") as watcher,
    ):
        record, warnings = with_code(layer_record(journal, layer, command=call.command(), session=ended.session))
        for text in warnings:
            output.warn(text)
        done = commit_layer(
            call.library(),
            layer,
            message=wish.message,
            author=wish.author,
            target=wish.target,
            record=record,
            writers=layer_writers(journal, layer, ended.session),
            progress=watcher,
        )
        tip = layer.tip()
        branch = tip.branch if tip is not None else layer.base.branch
        missed: tuple[str, ...] = ()
        if done.changed:
            missed = noted(journal, ended.session, stored=done.stored, branch=branch, outputs=done.outputs)
    _report(done, branch, missed)


def _report(done: LayerCommit, branch: str, missed: tuple[str, ...]) -> None:
    """On standard error: standard output belongs to the command."""
    repo = done.stored.commit.repo
    if done.changed:
        output.note(f"{created(done.stored, branch)}; {counted(len(done.outputs), 'path')} changed")
    else:
        output.note(f"{repo}@{branch}: no change, no commit")
    for text in (*done.warnings, *missed):
        output.warn(text)
