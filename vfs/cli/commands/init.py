"""`vfs init`: create a store."""

from __future__ import annotations

import shlex

import click

from vfs.cli import output
from vfs.cli.call import Call, pass_call
from vfs.cli.names import one_line

_UNSAFE = (
    "not safe: the service has no conditional writes, so two hosts that commit to one branch at the same moment may "
    "overwrite each other, and one of the commits is then on no branch; let one host at a time commit to a branch"
)


@click.command("init")
@click.argument("url", required=False)
@click.option("--endpoint", metavar="URL", help="S3 service other than AWS; kept nowhere, see s3.endpoint.")
@click.option("--region", metavar="NAME", help="Region of the bucket; kept nowhere, see s3.region.")
@click.option("--unsafe", is_flag=True, help="Also where the service has no conditional writes.")
@pass_call
def init_command(call: Call, url: str | None, endpoint: str | None, region: str | None, unsafe: bool) -> None:
    """Create the store, or check that it is there.

    Without URL it is the store of the settings; a store that exists is left as it is. On a service without
    conditional writes a store is made with --unsafe only: two hosts that commit to one branch at the same
    moment may overwrite each other there.

    \b
    Examples:
      vfs init
      vfs init file:///data/store
      vfs init s3://bucket/prefix
    """
    from vfs.repo.library import Library
    from vfs.store.marker import read_marker

    usual = call.settings().store
    if url is not None:
        call.overrides["store"] = url
    for key, value in (("s3.endpoint", endpoint), ("s3.region", region)):
        if value is not None:
            call.overrides[key] = value
    settings = call.settings()
    with Library.create(settings, unsafe=unsafe) as library:
        output.line(f"store {library.store.url} is ready")
        if read_marker(library.store).unsafe:
            output.note(_UNSAFE)
        elif unsafe:
            output.note("--unsafe was not needed: the service has conditional writes, and the store uses them")
    if settings.store != usual:
        store = one_line(settings.store)
        output.note(
            f'to use it: export VFS_STORE={shlex.quote(store)}, or store = "{store}" in ~/.config/vfs/config.toml'
        )
