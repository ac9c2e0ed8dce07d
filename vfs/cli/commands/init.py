"""`vfs init`: create a store."""

from __future__ import annotations

import click

from vfs.cli import output
from vfs.cli.call import Call, pass_call


@click.command("init")
@click.argument("url", required=False)
@click.option("--endpoint", metavar="URL", help="S3 service other than AWS; kept nowhere, see s3.endpoint.")
@click.option("--region", metavar="NAME", help="Region of the bucket; kept nowhere, see s3.region.")
@pass_call
def init_command(call: Call, url: str | None, endpoint: str | None, region: str | None) -> None:
    """Create the store, or check that it is there.

    Without URL it is the store of the settings; a store that exists is left as it is.

    \b
    Examples:
      vfs init
      vfs init file:///data/store
      vfs init s3://bucket/prefix
    """
    from vfs.repo.library import Library

    usual = call.settings().store
    if url is not None:
        call.overrides["store"] = url
    for key, value in (("s3.endpoint", endpoint), ("s3.region", region)):
        if value is not None:
            call.overrides[key] = value
    with Library.create(call.settings()) as library:
        output.line(f"store {library.store.url} is ready")
    if url is not None and url != usual:
        output.note(f'to use it: export VFS_STORE={url}, or store = "{url}" in ~/.config/vfs/config.toml')
