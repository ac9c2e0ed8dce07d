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
from vfs.workspace.attach import Attached, attach_kept, attach_layer
from vfs.workspace.status import find_layer
from vfs.workspace.volume import limit_of


@click.command("mount")
@click.argument("words", metavar="[REV[:PATH]] DIR", type=REVISION_OR_MOUNT, nargs=-1, required=True)
@click.option(
    "--all", "everything", is_flag=True, help="All repos: DIR/REPO/BRANCH, DIR/REPO/TAG, DIR/REPO/@commits/ID."
)
@click.option("--rw", "writable", is_flag=True, help="Writable: changes go to a layer, see vfs commit.")
@click.option("--layer", "kept", metavar="ID", help="With --rw, no REV: go on with a layer of vfs mounts --layers.")
@click.option("--max-size", metavar="SIZE", help="With --rw: what the layer may take on disk, such as 10GiB; as root.")
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
    kept: str | None,
    max_size: str | None,
    lineage: LineageLevel,
    foreground: bool,
    metrics_port: int | None,
    memory: str | None,
    allow_other: bool | None,
) -> None:
    """Mount a revision, or all repos, as a directory.

    DIR is an empty directory. The mount shows the commit that REV names now and never changes; the command returns
    when it answers. A writable mount keeps what is written in a layer that outlives unmounting, until it is committed
    or discarded; mounting REV there again goes on with it, and so does --layer, anywhere. With --max-size programs get
    "no space left on device" when the layer has that size, which is taken from the disk at once.

    \b
    Examples:
      vfs mount photos@v1 /mnt/photos
      vfs mount --rw photos /mnt/edit
      vfs mount --rw --max-size 10GiB photos /mnt/edit
      vfs mount --all /mnt/vfs
    """
    revision, directory = _parsed(words, everything, writable, kept is not None)
    size = _limit(max_size, writable=writable, kept=kept)
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
    if kept is not None:
        _start_kept(call, spec, kept, foreground)
        return
    if revision is None:
        start(spec, foreground=foreground)
    elif writable:
        _start_writable(call, spec, resolve(call.library(), revision), foreground, size)
    else:
        resolved = resolve(call.library(), revision)
        start(_showing(call, spec, view_of(resolved.repo, resolved.stored, path=resolved.path)), foreground=foreground)
    output.line(f"{one_line(directory)} shows {revision or 'all repos'}")


def _parsed(words: tuple[str, ...], everything: bool, writable: bool, kept: bool) -> tuple[Revision | None, str]:
    if kept:
        if len(words) != 1 or not writable or everything:
            raise UsageError("mount: --layer ID takes --rw and DIR alone: the layer says which commit it lies on")
        return None, words[0]
    if everything:
        if len(words) != 1 or writable:
            raise UsageError("mount: --all takes DIR alone, and is read-only")
        return None, words[0]
    if len(words) != 2:
        raise UsageError("mount: expected REV DIR, or --all DIR; see 'vfs mount --help'")
    return parse_revision(words[0]), words[1]


def _limit(text: str | None, *, writable: bool, kept: str | None) -> int:
    """The bytes meant by --max-size, 0 for no limit; UsageError, MountError."""
    if text is None:
        return 0
    if not writable or kept is not None:
        raise UsageError("mount: --max-size is for a new layer: it takes --rw, and no --layer")
    return limit_of(text)


def _showing(call: Call, spec: MountSpec, view: View) -> MountSpec:
    return replace(spec, kind="rev", views=(view,), marker=marker_of(call.library().store))


def _start_writable(call: Call, spec: MountSpec, resolved: Resolved, foreground: bool, max_size: int) -> None:
    # The overlay of a killed daemon would make the layer look as if it were in use.
    clear_dead(Registry(spec.settings.state_dir), spec.mountpoint)
    attached = attach_layer(call.library(), resolved, spec.mountpoint, max_size=max_size)
    base = attached.layer.base
    if attached.resumed:
        output.note(f"{one_line(spec.mountpoint)}: goes on with what was written there and is not committed")
    if attached.behind:
        output.note(f"{resolved.revision}: has moved on since; what was written lies on commit {short(base.id)}")
    _start_layer(call, spec, attached, foreground)


def _start_kept(call: Call, spec: MountSpec, word: str, foreground: bool) -> None:
    """Mount a layer that was kept, wherever it was made."""
    state_dir = spec.settings.state_dir
    layer = find_layer(state_dir, word)
    for point in (layer.base.mountpoint, spec.mountpoint):
        clear_dead(Registry(state_dir), point)
    base, before = layer.base, layer.name
    revision = Revision(base.repo, base.branch or short(base.id))
    attached = attach_kept(call.library(), layer, spec.mountpoint)
    try:
        _start_layer(call, replace(spec, title=str(revision)), attached, foreground)
    except BaseException:
        # That it could not be mounted says more than that it is still called after this directory.
        with suppress(VfsError):
            layer.move_to(base)
        raise
    output.line(f"{one_line(spec.mountpoint)} shows {revision} with the changes of {one_line(before)}")


def _start_layer(call: Call, spec: MountSpec, attached: Attached, foreground: bool) -> None:
    base = attached.layer.base
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
