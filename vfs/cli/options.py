"""Options that several commands share, spelled once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from vfs.cli.call import Call

F = TypeVar("F", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
message = click.option("-m", "--message", metavar="TEXT", default="", help="What the commit is about.")
author = click.option("--author", metavar="NAME", default=None, help="Author of the commit instead of the setting.")


def signing(command: F) -> F:
    """Options of a command that commits: `--sign`, `--no-sign`, `--sign-key KEY`. They reach the library by the call.

    The key is unlocked when the library is opened, so that a passphrase is asked for before the work begins.
    """
    for option in (_sign_key, _sign):
        command = option(command)
    return command


def _noted(context: click.Context, option: click.Parameter, value: str | bool | None) -> None:
    call = context.ensure_object(Call)
    call.commits = True
    if isinstance(value, str):
        call.sign = value
    elif value is not None and not call.sign:
        call.sign = "auto" if value else ""
        call.unsigned = not value


_sign = click.option(
    "--sign/--no-sign", default=None, expose_value=False, callback=_noted,
    help="Sign the commit, with the key of the setting or the only one there is; or do not, whatever the setting.",
)  # fmt: skip
_sign_key = click.option(
    "--sign-key", metavar="KEY", default=None, expose_value=False, callback=_noted,
    help="Sign the commit with this key: its id or comment.",
)  # fmt: skip
