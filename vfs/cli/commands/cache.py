"""`vfs cache`: what was fetched from a store far away and is kept on local disk."""

from __future__ import annotations

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.values import counted
from vfs.config.sizes import format_size, parse_size
from vfs.content.cache import disk
from vfs.content.cache.opening import cache_limit, cache_root, keep_limit


@click.group("cache")
def cache_command() -> None:
    """Show, check, limit and empty the local cache."""


@cache_command.command("status")
@options.as_json
@pass_call
def cache_status(call: Call, as_json: bool) -> None:
    """Show how much the cache holds and may hold.

    \b
    Example:
      vfs cache status
    """
    settings = call.settings()
    found = disk.status(cache_root(settings), limit=cache_limit(settings), floor=settings.cache_floor)
    if as_json:
        output.document(
            {
                "directory": found.directory,
                "packs": found.mirrors,
                "bytes": found.bytes,
                "limit": found.limit,
                "floor": found.floor,
                "free": found.free,
            }
        )
        return
    output.fields(
        [
            ("directory", found.directory),
            ("holds", f"{format_size(found.bytes)} of {counted(found.mirrors, 'pack')}"),
            ("limit", format_size(found.limit)),
            ("disk", f"{format_size(found.free)} free, {format_size(found.floor)} of it left alone"),
        ]
    )


@cache_command.command("clear")
@pass_call
def cache_clear(call: Call) -> None:
    """Remove everything from the cache.

    Mounts go on and fetch again what they need.

    \b
    Example:
      vfs cache clear
    """
    freed = disk.clear(cache_root(call.settings()))
    output.line(f"{format_size(freed)} freed")


@cache_command.command("verify")
@options.as_json
@pass_call
def cache_verify(call: Call, as_json: bool) -> None:
    """Check all pieces of the cache and drop those that are damaged.

    Mounts check each piece they read by themselves; this finds bad disks early.

    \b
    Example:
      vfs cache verify
    """
    call.kept = "pieces found damaged so far were dropped"
    checked, dropped = disk.verify(cache_root(call.settings()))
    if as_json:
        output.document({"bytes": checked, "dropped": dropped})
    else:
        verdict = f"{counted(dropped, 'damaged piece')} dropped" if dropped else "all sound"
        output.line(f"{format_size(checked)} checked, {verdict}")


@cache_command.command("limit")
@click.argument("size", required=False, metavar="[SIZE]")
@pass_call
def cache_limit_command(call: Call, size: str | None) -> None:
    """Show or set how many bytes the cache may take.

    SIZE `auto` goes back to the default: 20 GiB or 10 % of the disk, whichever is smaller. A limit in the configuration
    goes before this one. Mounts follow when they next start.

    \b
    Examples:
      vfs cache limit
      vfs cache limit 200GiB
    """
    if size is not None:
        keep_limit(call.settings(), 0 if size == "auto" else parse_size(size))
    output.line(format_size(cache_limit(call.settings())))
