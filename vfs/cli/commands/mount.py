"""`vfs mount`: a revision, or all repos, as a directory."""

from __future__ import annotations

from contextlib import suppress

import click
from msgspec.structs import replace

from vfs.cli import output
from vfs.cli.call import Call, pass_call
from vfs.cli.names import one_line
from vfs.cli.parameters import REVISION_OR_MOUNT
from vfs.control.dead import clear_dead
from vfs.control.launch import start
from vfs.control.mountpoint import canonical
from vfs.control.registry import Registry
from vfs.control.spec import LINEAGE_LEVELS, LineageLevel, MountSpec, View, new_id, view_of
from vfs.errors import UsageError, VfsError
from vfs.journal.session import current_directory
from vfs.model.ids import short
from vfs.model.revision import Revision, parse_revision
from vfs.repo.resolve import Resolved, resolve
from vfs.store.marked import marker_of
from vfs.workspace.attach import Attached, attach_layer


@click.command("mount")
@click.argument("words", metavar="[REV[:PATH]] DIR", type=REVISION_OR_MOUNT, nargs=-1, required=True)
@click.option(
    "--all", "everything", is_flag=True, help="All repos: DIR/REPO/BRANCH, DIR/REPO/TAG, DIR/REPO/@commits/ID."
)
@click.option("--rw", "writable", is_flag=True, help="Writable: changes go to a layer, see vfs commit.")
@click.option(
    "--lineage", type=click.Choice(LINEAGE_LEVELS), default="files", show_default=True,
    help="What is recorded: each file a process opens, or nothing.",
)  # fmt: skip
@click.option("--foreground", is_flag=True, help="Stay in the foreground, for service managers.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), metavar="PORT", help="Serve /metrics on 127.0.0.1:PORT.")
@click.option("--memory", metavar="SIZE", help="Memory for content, such as 512MiB, instead of the setting.")
@click.option("--allow-other/--private", default=None, help="Whether other users see the mount; if the system lets us.")
@pass_call
def mount_command(
    call: Call,
    words: tuple[str, ...],
    everything: bool,
    writable: bool,
    lineage: LineageLevel,
    foreground: bool,
    metrics_port: int | None,
    memory: str | None,
    allow_other: bool | None,
) -> None:
    """Mount a revision, or all repos, as a directory.

    DIR is an empty directory. The mount shows the commit that REV names now and never changes; the command returns
    when it answers. A writable mount keeps what is written in a layer that outlives unmounting, until
    it is committed or discarded; mounting REV there again goes on with it.

    \b
    Examples:
      vfs mount photos@v1 /mnt/photos
      vfs mount --rw photos /mnt/edit
      vfs mount --all /mnt/vfs
    """
    revision, directory = _parsed(words, everything, writable)
    if memory is not None:
        call.overrides["memory"] = memory
    spec = MountSpec(
        id=new_id(),
        mountpoint=canonical(directory),
        kind="all",
        settings=call.settings(),
        title=str(revision or "all repos"),
        allow_other=allow_other,
        metrics_port=metrics_port or 0,
        lineage=lineage,
        command=call.command(),
        cwd=current_directory(),
    )
    if revision is None:
        start(spec, foreground=foreground)
    elif writable:
        _start_writable(call, spec, resolve(call.library(), revision), foreground)
    else:
        resolved = resolve(call.library(), revision)
        start(_showing(call, spec, view_of(resolved.repo, resolved.stored, path=resolved.path)), foreground=foreground)
    output.line(f"{one_line(directory)} shows {revision or 'all repos'}")


def _parsed(words: tuple[str, ...], everything: bool, writable: bool) -> tuple[Revision | None, str]:
    if everything:
        if len(words) != 1 or writable:
            raise UsageError("mount: --all takes DIR alone, and is read-only")
        return None, words[0]
    if len(words) != 2:
        raise UsageError("mount: expected REV DIR, or --all DIR; see 'vfs mount --help'")
    return parse_revision(words[0]), words[1]


def _showing(call: Call, spec: MountSpec, view: View) -> MountSpec:
    return replace(spec, kind="rev", views=(view,), marker=marker_of(call.library().store))


def _start_writable(call: Call, spec: MountSpec, resolved: Resolved, foreground: bool) -> None:
    # The overlay of a killed daemon would make the layer look as if it were in use.
    clear_dead(Registry(spec.settings.state_dir), spec.mountpoint)
    attached = attach_layer(call.library(), resolved, spec.mountpoint)
    base = attached.layer.base
    if attached.resumed:
        output.note(f"{one_line(spec.mountpoint)}: goes on with what was written there and is not committed")
    if attached.behind:
        output.note(f"{resolved.revision}: has moved on since; what was written lies on commit {short(base.id)}")
    spec = _showing(call, spec, View("", base.repo, base.commit))
    spec = replace(spec, layer=str(attached.layer.directory), read_only=False)
    try:
        start(spec, foreground=foreground)
    except BaseException:
        _drop_unused(attached)
        raise


def _drop_unused(attached: Attached) -> None:
    """Leave no layer behind where nothing could be mounted."""
    with suppress(VfsError):
        if not attached.resumed and attached.layer.is_untouched():
            attached.layer.discard()
