"""`vfs config`: the settings and their origins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call

if TYPE_CHECKING:
    import msgspec


@click.command("config")
@click.argument("key", required=False)
@options.as_json
@pass_call
def config_command(call: Call, key: str | None, as_json: bool) -> None:
    """Show each setting and where it comes from.

    Later origins win: default, /etc/vfs/config.toml, ~/.config/vfs/config.toml, VFS_* variables, options of vfs.
    With KEY only the value of that setting is printed.

    \b
    Examples:
      vfs config
      vfs config store
      VFS_JOBS=8 vfs config --json
    """
    loaded = call.loaded()
    values = dict(_flat(loaded.settings, ""))
    if key is not None:
        if key not in values:
            raise click.BadParameter(f"'{key}': no such setting; there is {', '.join(values)}", param_hint="KEY")
        output.document(values[key]) if as_json else output.line(_text(values[key]))
    elif as_json:
        output.document({name: {"value": value, "origin": loaded.origins[name]} for name, value in values.items()})
    else:
        rows = [(name, _text(value), loaded.origins[name]) for name, value in values.items()]
        output.table(("setting", "value", "origin"), rows)


def _flat(settings: msgspec.Struct, prefix: str) -> Iterator[tuple[str, object]]:
    from msgspec import Struct, structs

    for name, value in structs.asdict(settings).items():
        if isinstance(value, Struct):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
